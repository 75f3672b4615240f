package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"meetbridge/bridge"
)

// composeService is what the tests want to know of a service of docker-compose.yml.
type composeService struct {
	Image       string            `yaml:"image"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	User        string            `yaml:"user"`
	CapDrop     []string          `yaml:"cap_drop"`
	Security    []string          `yaml:"security_opt"`
	ReadOnly    bool              `yaml:"read_only"`
	CPUs        float64           `yaml:"cpus"`
	Memory      string            `yaml:"mem_limit"`
	Restart     string            `yaml:"restart"`
}

// arguments returns what the service's container says to meetbridge, nil if it
// runs something else.
func (s composeService) arguments() []string {
	switch {
	case s.Image == "meetbridge":
		return s.Command
	case slices.Equal(s.Entrypoint, []string{"graphsim.sh"}):
		return append([]string{"graphsim"}, s.Command...)
	case slices.Equal(s.Entrypoint, []string{"topics.sh"}):
		return []string{"topics", "apply"}
	}
	return nil
}

func readCompose(t *testing.T) map[string]composeService {
	t.Helper()
	b, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]composeService `yaml:"services"`
	}
	if err := yaml.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

// Ensure that every container of the stack is told only what its command knows,
// listens on loopback alone, and may do and use no more than it needs.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	services := readCompose(t)
	commands := 0
	for name, s := range services {
		if args := s.arguments(); args != nil {
			commands++
			var env []string
			for k, v := range s.Environment {
				env = append(env, k+"="+v)
			}
			if err := parses(args, env); err != nil {
				t.Errorf("%s: meetbridge %s: %v", name, strings.Join(args, " "), err)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is not on loopback", name, p)
			}
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.Security, "no-new-privileges") || !s.ReadOnly {
			t.Errorf("%s: may do more than it needs: capabilities, new privileges, or a root that it can write to", name)
		}
		if s.CPUs <= 0 || s.Memory == "" || s.Restart == "" {
			t.Errorf("%s: cpus, mem_limit and restart have to be set", name)
		}
		if name != "setup" && strings.HasPrefix(s.User, "0") {
			t.Errorf("%s: runs as root", name)
		}
		for k, v := range s.Environment {
			if strings.Contains(strings.ToLower(k), "password") && !strings.HasSuffix(k, "_FILE") {
				t.Errorf("%s: %s=%s stands in the file", name, k, v)
			}
		}
	}
	if commands < 5 {
		t.Errorf("%d services run meetbridge", commands)
	}
}

// parses returns why the program would not take the arguments and variables.
func parses(args, env []string) error {
	grammar := &cli{settings: newSettings(env)}
	parser, err := newParser(grammar, &terminal{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		return err
	}
	_, err = parser.Parse(args)
	return err
}

// Ensure that docker compose takes the file, with each profile.
func TestComposeConfig(t *testing.T) {
	t.Parallel()
	if err := exec.Command("docker", "compose", "version").Run(); err != nil {
		t.Skip("docker compose is not here: docker-compose.yml is read by this project's own tests only")
	}
	for profile, kafka := range map[string][]string{"single": {"kafka"}, "cluster": {"kafka-1", "kafka-2", "kafka-3"}} {
		out, err := exec.Command("docker", "compose", "--project-directory", "../..", "--profile", profile, "config", "--services").Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", profile, err, stderrOf(err))
		}
		var got []string
		for name := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(name, "kafka") {
				got = append(got, name)
			}
		}
		if slices.Sort(got); !slices.Equal(got, kafka) {
			t.Errorf("%s: has %v, want %v", profile, got, kafka)
		}
	}
}

func stderrOf(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// blank matches what people have to fill in.
var blank = regexp.MustCompile(`<[a-z ]+>`)

// Ensure that the settings of the Kubernetes manifests are settings, that every
// container runs a command, and that no pod may do more than it needs.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&cli{}, &terminal{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	configs, pods := 0, 0
	for _, doc := range kubernetes(t) {
		if text, ok := doc.Data["meetbridge.yaml"]; ok {
			configs++
			file := filepath.Join(t.TempDir(), "meetbridge.yaml")
			if err := os.WriteFile(file, []byte(blank.ReplaceAllString(text, "x")), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readConfigFile(file, parser.Model.Node); err != nil {
				t.Error(err)
			}
			for _, command := range []string{"ingest", "renewer"} {
				if err := parses([]string{command, "--config", file}, nil); err != nil {
					t.Errorf("%s: %v", command, err)
				}
			}
		}
		pod := doc.Spec.Template.Spec
		for _, c := range pod.Containers {
			pods++
			var env []string
			for _, e := range c.Env {
				if e.Name != "MEETBRIDGE_CONFIG" { // a file that is not here
					env = append(env, e.Name+"="+e.Value)
				}
			}
			if err := parses(c.Args, env); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			s := c.SecurityContext
			if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || !pod.SecurityContext.RunAsNonRoot {
				t.Errorf("%s: may do more than it needs", c.Name)
			}
			if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" {
				t.Errorf("%s: its resources are not bounded", c.Name)
			}
		}
		for key, value := range doc.StringData {
			if value != "" {
				t.Errorf("secret %s holds a value under %s", doc.Metadata.Name, key)
			}
		}
	}
	if configs != 1 || pods < 3 {
		t.Errorf("%d settings, %d containers", configs, pods)
	}
}

// manifest is what the tests want to know of a Kubernetes object.
type manifest struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Data       map[string]string `yaml:"data"`
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Template struct {
			Spec struct {
				SecurityContext struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
				} `yaml:"securityContext"`
				Containers []container `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type container struct {
	Name            string                                       `yaml:"name"`
	Args            []string                                     `yaml:"args"`
	Env             []struct{ Name, Value string }               `yaml:"env"`
	Resources       struct{ Requests, Limits map[string]string } `yaml:"resources"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool                   `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool                    `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
}

// kubernetes returns the objects of all manifests.
func kubernetes(t *testing.T) []manifest {
	t.Helper()
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for d := yaml.NewDecoder(f); ; {
			var m manifest
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, m)
		}
	}
	return all
}

// Ensure that the manifests are what Kubernetes' published schemas allow.
func TestKubernetesSchemas(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("kubernetes-validate")
	if err != nil {
		t.Skip("kubernetes-validate is not here, which holds Kubernetes' schemas: pip install kubernetes-validate")
	}
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if out, err := exec.Command(tool, append([]string{"--strict"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// Ensure that the script of ACLs names every topic, and that what the renewer
// keeps is not for ingest to write.
func TestACLScript(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../deploy/kafka/acls.sh")
	if err != nil {
		t.Fatal(err)
	}
	list := func(name string) []string {
		m := regexp.MustCompile(`(?s)\n` + name + `="([^"]*)"`).FindSubmatch(b)
		if m == nil {
			t.Fatalf("the script has no %s", name)
		}
		return strings.Fields(string(m[1]))
	}
	var written, kept []string
	for _, k := range bridge.Kinds() {
		if k.Kind == bridge.SubscriptionState || k.Kind == bridge.Gap {
			kept = append(kept, k.Topic)
		} else {
			written = append(written, k.Topic)
		}
	}
	for name, want := range map[string][]string{"written": written, "kept": kept} {
		got := list(name)
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
