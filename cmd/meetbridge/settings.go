package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// envPrefix begins the name of every variable that is ours.
const envPrefix = "MEETBRIDGE_"

// settings answers for the flags that the command line leaves out: first the
// environment, then the config file (flag > variable > file > default). It is
// a kong.Resolver, good for one parse.
type settings struct {
	env     map[string]string // our variables; those set to "" count as unset and are left out
	names   []string          // names of all of our variables, sorted
	file    *configFile       // nil: none
	origins map[string]string // where the value of a flag was found: "$NAME" or "file:line"
}

func newSettings(env []string) *settings {
	s := &settings{env: map[string]string{}, origins: map[string]string{}}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		s.names = append(s.names, name)
		if value != "" {
			s.env[name] = value
		}
	}
	slices.Sort(s.names)
	return s
}

// load checks the variables against the grammar below root and reads the config
// file: path, else what MEETBRIDGE_CONFIG names, else none.
func (s *settings) load(root *kong.Node, path string) error {
	if err := s.checkNames(root); err != nil {
		return err
	}
	if path == "" {
		path = s.env[envName("config")]
	}
	if path == "" {
		return nil
	}
	var err error
	s.file, err = readConfigFile(path, root)
	return err
}

// serviceLink matches the variables that Kubernetes sets in every container for
// a Service whose name begins with "meetbridge"; they are not meant for us.
var serviceLink = regexp.MustCompile(`^MEETBRIDGE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// checkNames refuses variables of ours that no flag has: a setting misspelt
// would otherwise be a setting silently not made.
func (s *settings) checkNames(root *kong.Node) error {
	var known []string
	for _, f := range settable(root) {
		known = append(known, envName(f.Name))
	}
	var errs []error
	for _, name := range s.names {
		if name == envName("help") || name == envName("version") {
			errs = append(errs, fmt.Errorf("unknown variable %s: --%s is a flag only, unset it", name, strings.ToLower(strings.TrimPrefix(name, envPrefix))))
			continue
		}
		if !slices.Contains(known, name) && !serviceLink.MatchString(name) {
			errs = append(errs, fmt.Errorf("unknown variable %s%s", name, didYouMean(name, known)))
		}
	}
	return errors.Join(errs...)
}

// Validate is part of kong.Resolver; load has checked all that there is.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve returns the value of a flag that the command line does not set, nil
// to leave it at its default.
func (s *settings) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !isSettable(flag) {
		return nil, nil
	}
	name := envName(flag.Name)
	if v, ok := s.env[name]; ok {
		s.origins[flag.Name] = "$" + name
		return v, nil
	}
	if s.file == nil {
		return nil, nil
	}
	v, where, ok := s.file.lookup(ctx.Selected(), flag)
	if !ok {
		return nil, nil
	}
	s.origins[flag.Name] = where
	return v, nil
}

var leadingFlag = regexp.MustCompile(`^--([a-z0-9-]+)`)

// origin returns " (set by …)" when message begins with a flag whose value came
// from a variable or the config file, "" otherwise.
func (s *settings) origin(message string) string {
	if m := leadingFlag.FindStringSubmatch(message); m != nil && s.origins[m[1]] != "" {
		return ", set by " + s.origins[m[1]]
	}
	return ""
}

// envName returns the variable of a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// isSettable reports whether a variable or a key can set f: all flags but those
// that ask for a text.
func isSettable(f *kong.Flag) bool { return f.Name != "help" && f.Name != "version" }

// settable returns the settable flags of n and of everything below it.
func settable(n *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, f := range n.Flags {
		if isSettable(f) {
			flags = append(flags, f)
		}
	}
	for _, c := range n.Children {
		flags = append(flags, settable(c)...)
	}
	return flags
}
