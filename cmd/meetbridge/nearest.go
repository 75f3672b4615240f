package main

import "meetbridge/bridge"

// didYouMean returns `, did you mean "x"?` for the candidate nearest to word,
// "" when none is near.
func didYouMean(word string, candidates []string) string {
	if n := bridge.Nearest(word, candidates); n != "" {
		return `, did you mean "` + n + `"?`
	}
	return ""
}
