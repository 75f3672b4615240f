package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster is three Kafka nodes, each broker and controller. Each of the bridge's
// processes reaches each node by a link of its own, since each node advertises
// to each process another address; so do the brokers among each other.
type cluster struct {
	scripts scripts
	nodes   []*server
	direct  []string                      // addresses without a link, for the driver
	links   map[string][]*link            // by process, then node
	peers   []*link                       // by node: on the way to it from the other brokers
	disk    string                        // of the last node: a small file system of its own; "" for none
	client  *kgo.Client                   // of the driver
	admin   *kadm.Client                  // the same
	log     func(format string, a ...any) // a line in the run's log
}

// listeners of a node beside those that the scripts give it.
const (
	driverListener = "DRIVER"
	diskSize       = 1 << 30
)

func (s scripts) node(n int) *server {
	return &server{
		name: fmt.Sprintf("kafka-%d", n), scripts: s, pidFile: filepath.Join(s.home, "run-kafka", fmt.Sprintf("node-%d", n), "pid"),
		again: []string{"kafka", "start", fmt.Sprint(n)}, within: 3 * time.Minute,
	}
}

// newCluster starts one for clients, the bridge's processes by name.
func newCluster(ctx context.Context, s scripts, clients []string, log func(string, ...any)) (c *cluster, err error) {
	c = &cluster{scripts: s, links: map[string][]*link{}, log: log}
	last := filepath.Join(s.home, "run-kafka", "node-3", "data")
	_ = syscall.Unmount(last, syscall.MNT_DETACH) // of a run that was killed
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	bootstrap, err := s.run(ctx, "kafka", "up", "3")
	if err != nil {
		return c, err
	}
	brokers := strings.Split(lastLine(bootstrap), ",")
	for i := range brokers {
		c.nodes = append(c.nodes, s.node(i+1))
	}
	for i, n := range c.nodes {
		if _, err := n.end(syscall.SIGKILL, 10*time.Second); err != nil { // it holds nothing yet
			return c, err
		}
		if err := c.advertise(ctx, i, brokers[i], clients); err != nil {
			return c, err
		}
	}
	if err := c.smallDisk(last); err != nil {
		log("a full disk: skipped, since a small file system cannot be had: %v", err)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(c.nodes))
	for i, n := range c.nodes {
		wg.Go(func() { errs[i] = n.start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return c, err
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.direct...), kgo.MetadataMinAge(100*time.Millisecond), kgo.RetryTimeout(10*time.Second))
	if err != nil {
		return c, err
	}
	c.admin = kadm.NewClient(c.client)
	return c, nil
}

// advertise gives node i a listener for each client and makes its links.
func (c *cluster) advertise(ctx context.Context, i int, address string, clients []string) error {
	file := filepath.Join(filepath.Dir(c.nodes[i].pidFile), "server.properties")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	own, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	c.direct = append(c.direct, own)
	peer, err := newLink(ctx, fmt.Sprintf("brokers→kafka-%d", i+1), address)
	if err != nil {
		return err
	}
	c.peers = append(c.peers, peer)
	listeners := []string{driverListener + "://" + own}
	advertised := []string{"PLAINTEXT://" + peer.addr(), driverListener + "://" + own}
	protocols := []string{driverListener + ":PLAINTEXT"}
	for _, client := range clients {
		at, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		k, err := newLink(ctx, fmt.Sprintf("%s→kafka-%d", client, i+1), at)
		if err != nil {
			return err
		}
		c.links[client] = append(c.links[client], k)
		name := strings.ToUpper(strings.ReplaceAll(client, "-", "_"))
		listeners = append(listeners, name+"://"+at)
		advertised = append(advertised, name+"://"+k.addr())
		protocols = append(protocols, name+":PLAINTEXT")
	}
	lines := strings.Split(string(text), "\n")
	for l, line := range lines {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "listeners":
			lines[l] = line + "," + strings.Join(listeners, ",")
		case "advertised.listeners":
			lines[l] = key + "=" + strings.Join(advertised, ",")
		case "listener.security.protocol.map":
			lines[l] = key + "=" + value + "," + strings.Join(protocols, ",")
		}
	}
	c.nodes[i].up = func() bool { return accepts(address) && accepts(own) }
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644)
}

// smallDisk puts the data of the last node on a file system of its own, which
// can be filled without harm to anybody else.
func (c *cluster) smallDisk(data string) error {
	kept := data + "-kept"
	if err := os.Rename(data, kept); err != nil {
		return err
	}
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	err := syscall.Mount("tmpfs", data, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize))
	if err != nil {
		return errors.Join(err, os.Remove(data), os.Rename(kept, data))
	}
	c.disk = data
	if err := os.CopyFS(data, os.DirFS(kept)); err != nil {
		return err
	}
	return os.RemoveAll(kept)
}

// fill takes what is left of the small disk, and returns how to give it back.
func (c *cluster) fill() (free func() error, left func() (int64, error), err error) {
	left = func() (int64, error) {
		var st syscall.Statfs_t
		err := syscall.Statfs(c.disk, &st)
		return int64(st.Bavail) * st.Bsize, err
	}
	ballast := filepath.Join(c.disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return nil, nil, err
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, nil, fmt.Errorf("fill %s: %w", c.disk, err)
	}
	return func() error { return os.Remove(ballast) }, left, nil
}

// brokersFor returns the addresses by which a client reaches the nodes.
func (c *cluster) brokersFor(client string) string {
	var all []string
	for _, k := range c.links[client] {
		all = append(all, k.addr())
	}
	return strings.Join(all, ",")
}

// leader returns the number, from 0, of the node that leads most partitions of
// the records' topics.
func (c *cluster) leader(ctx context.Context) (int, error) {
	m, err := c.admin.Metadata(ctx)
	if err != nil {
		return 0, err
	}
	led := make([]int, len(c.nodes))
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Leader >= 1 && int(p.Leader) <= len(led) {
			led[p.Leader-1]++
		}
	})
	most := 0
	for i, n := range led {
		if n > led[most] {
			most = i
		}
	}
	return most, nil
}

// controller returns the number, from 0, of the node that leads the quorum.
func (c *cluster) controller(ctx context.Context) (int, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, c.client)
	switch {
	case err != nil:
		return 0, err
	case kerr.ErrorForCode(resp.ErrorCode) != nil:
		return 0, kerr.ErrorForCode(resp.ErrorCode)
	case len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1:
		return 0, errors.New("describe the quorum: no partition in the answer")
	}
	leader := int(resp.Topics[0].Partitions[0].LeaderID)
	if leader < 1 || leader > len(c.nodes) {
		return 0, fmt.Errorf("describe the quorum: node %d leads", leader)
	}
	return leader - 1, nil
}

// lagging returns how many partitions have fewer replicas in sync than they
// have.
func (c *cluster) lagging(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := c.admin.Metadata(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if len(p.ISR) < len(p.Replicas) || p.Leader < 0 {
			n++
		}
	})
	return n, nil
}

// close ends the nodes and deletes what they hold.
func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	for _, n := range c.nodes {
		if pid := n.pid(); pid != 0 {
			_, _ = n.end(syscall.SIGKILL, 10*time.Second)
		}
	}
	if c.disk != "" {
		if err := syscall.Unmount(c.disk, syscall.MNT_DETACH); err != nil {
			c.log("unmount %s: %v", c.disk, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.scripts.run(ctx, "kafka", "down"); err != nil {
		c.log("end kafka: %v", err)
	}
	for _, all := range append(slices.Collect(maps.Values(c.links)), c.peers) {
		for _, k := range all {
			k.close()
		}
	}
}

// newRegistry starts a registry that keeps its schemas in a file, so that it has
// them again after a kill, and returns it with the URL of its API.
func newRegistry(ctx context.Context, s scripts, dir string) (*server, string, error) {
	s.env = append(slices.Clone(s.env), "APICURIO_DATASOURCE_URL=jdbc:h2:file:"+filepath.Join(dir, "registry")+";WRITE_DELAY=0")
	r := &server{
		name: "registry", scripts: s, pidFile: filepath.Join(s.home, "run-registry", "pid"),
		again: []string{"registry", "up"}, within: 5 * time.Minute,
	}
	_, err := s.run(ctx, "registry", "up")
	if err != nil && r.pid() == 0 {
		return r, "", err
	}
	url, err := s.run(ctx, "registry", "url")
	if err != nil {
		return r, "", err
	}
	r.up = func() bool { return get(url+"/subjects", 2*time.Second) == nil }
	for until := time.Now().Add(r.within); !r.up(); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(until) || ctx.Err() != nil {
			return r, url, cmp.Or(ctx.Err(), errors.New("start the registry: it does not answer"))
		}
	}
	return r, url, nil
}

// hostOf returns host:port of a URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	if _, _, err := net.SplitHostPort(host); err != nil {
		return host + ":80"
	}
	return host
}
