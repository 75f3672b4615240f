//go:build synctests

package kafka_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"meetbridge/bridge/kafka"
)

// Ensure that a group that is not there is one without members, as Kafka 4 says
// it and as those before did, that the coordinator of a fresh cluster is waited
// for, and that what is forbidden is an error.
func TestDescribeGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newMemNet()
		cluster := startCluster(t, kfake.SeedTopics(1, "a"), kfake.ListenFn(n.Listen))
		adm, err := kafka.NewAdmin(kafka.Config{Brokers: cluster.ListenAddrs(), Dialer: n.Dial}, discard())
		if err != nil {
			t.Fatal(err)
		}
		defer adm.Close()
		var code atomic.Int32
		cluster.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if code.Load() == 0 {
				return nil, nil, false
			}
			asked := req.(*kmsg.DescribeGroupsRequest)
			resp := asked.ResponseKind().(*kmsg.DescribeGroupsResponse)
			group := kmsg.NewDescribeGroupsResponseGroup()
			group.Group, group.ErrorCode = asked.Groups[0], int16(code.Load())
			resp.Groups = append(resp.Groups, group)
			return resp, nil, true
		})
		for _, c := range []int16{0, kerr.GroupIDNotFound.Code} {
			code.Store(int32(c))
			if g, err := kafka.DescribeGroup(t.Context(), adm, "none"); err != nil || g.State != "Dead" || len(g.Members) != 0 {
				t.Errorf("code %d: %+v, %v", c, g, err)
			}
		}
		code.Store(int32(kerr.GroupAuthorizationFailed.Code))
		if _, err := kafka.DescribeGroup(t.Context(), adm, "none"); err == nil || !strings.Contains(err.Error(), "describe group none") {
			t.Errorf("forbidden: %v", err)
		}
		code.Store(int32(kerr.CoordinatorNotAvailable.Code))
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			code.Store(0)
		}()
		if g, err := kafka.DescribeGroup(t.Context(), adm, "none"); err != nil || g.State != "Dead" || time.Since(began) > 6*time.Second {
			t.Errorf("a fresh cluster, after %v: %+v, %v", time.Since(began), g, err)
		}
	})
}
