// Package graph will own what Microsoft Graph says and is told: the wire types
// of the subscription API, the REST client with its throttling, and the
// credentials. It holds no code yet, since notifications need none of it: their
// wire types are bridge.Item and bridge.Collection.
//
// Below it, graphsim is the far side itself: a Microsoft Graph that can be run.
package graph
