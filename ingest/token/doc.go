// Package token proves validation tokens: the JWTs that Graph puts beside sealed
// notifications, one for each pair of application and tenant (FACTS §2.1).
//
// It owns the rules of DESIGN §4 (b), the key sets of the authority and their
// refresh, and the memory of tokens that passed. It refuses to own the answer
// to Graph: a bad token is a verdict, and only key sets that cannot be had are
// an error.
package token
