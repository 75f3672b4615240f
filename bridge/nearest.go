package bridge

import "strings"

// Nearest returns the candidate that the fewest typing slips (a letter too many,
// too few, wrong, or two swapped) turn into word; the first of equals, and ""
// when all are further away than a slip per three letters. Letter case and the
// difference between "-" and "_" are no slips. Words are meant to be short, and
// ASCII.
func Nearest(word string, candidates []string) string {
	best, found := len(word)/3+1, ""
	for _, c := range candidates {
		if d := Slips(fold(word), fold(c)); d < best || d == best && found == "" {
			best, found = d, c
		}
	}
	return found
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// Slips returns the edit distance with swaps of neighbours (optimal string
// alignment), in bytes. It takes time in proportion to the product of both
// lengths.
func Slips(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
