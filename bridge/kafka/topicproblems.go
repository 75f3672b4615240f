package kafka

import (
	"fmt"
	"strings"
)

// namedTopics is how many topics an error names that all have the same problem.
const namedTopics = 3

// TopicProblems returns an error that wraps ErrTopics and says every problem of
// changes once, with the first topics that have it; nil if there is none. of is
// how many topics there are in all.
func TopicProblems(changes []TopicChange, of int) error {
	var order []string
	topics := map[string][]string{}
	for _, c := range changes {
		if c.Problem == "" {
			continue
		}
		if topics[c.Problem] == nil {
			order = append(order, c.Problem)
		}
		topics[c.Problem] = append(topics[c.Problem], c.Want.Topic)
	}
	if len(order) == 0 {
		return nil
	}
	sentences := make([]string, len(order))
	for i, problem := range order {
		sentences[i] = problemSentence(problem, topics[problem], of)
	}
	return fmt.Errorf("%w: %s", ErrTopics, strings.Join(sentences, "; "))
}

func problemSentence(problem string, topics []string, of int) string {
	if len(topics) == 1 {
		return "topic " + topics[0] + " " + problem
	}
	// Problems begin with a verb in the singular.
	for _, v := range [][2]string{{"has ", "have "}, {"does not ", "do not "}, {"takes ", "take "}} {
		if rest, ok := strings.CutPrefix(problem, v[0]); ok {
			problem = v[1] + rest
			break
		}
	}
	named := topics[:min(namedTopics, len(topics))]
	more := ""
	if n := len(topics) - len(named); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d of %d topics %s (%s%s)", len(topics), of, problem, strings.Join(named, ", "), more)
}
