package kafka_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"meetbridge/bridge/kafka"
)

// Ensure that our producers put 10,000 keys where Kafka's own Java client puts
// them, which wrote the file (testdata/Partitions.java): only so do the records of
// a meeting meet in one partition of whatever a Java program joins them with.
func TestPartitionsOfJava(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/partitions.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	counts := []int{7, 12, 1000}
	var ours []func(string) int32
	for _, n := range counts {
		ours = append(ours, kafka.Partitioner(n))
	}
	keys, longest, wrong := map[string]bool{}, 0, 0
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var key string
		line := []any{&key, new(int32), new(int32), new(int32)}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		keys[key], longest = true, max(longest, len(key))
		for i, partition := range ours {
			java := *line[i+1].(*int32)
			if got := partition(key); got != java && wrong < 5 {
				wrong++
				t.Errorf("key %.80q is on partition %d of %d, Java puts it on %d", key, got, counts[i], java)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(keys) < 9_990 || !keys[""] || longest < 10_000 {
		t.Errorf("%d different keys, the empty one among them: %t, the longest of %d bytes", len(keys), keys[""], longest)
	}
}
