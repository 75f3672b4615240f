package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// The exit codes; printed below every help text.
const (
	exitOK    = 0
	exitWrong = 1 // the run or the check found something wrong
	exitUsage = 2 // the command line, a variable or the configuration is wrong
)

// usageError marks an error that the user mends by typing something else.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns an error that ends the process with exitUsage.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// untilSignal returns a context that the first SIGINT or SIGTERM ends. The
// second one ends the process at once, whatever it is doing.
func untilSignal(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // for as long as the process lives
		<-signals
		cancel()
		<-signals
		os.Exit(exitWrong)
	}()
	return ctx
}

// run is the process without its globals: it carries out args and returns the
// exit code. It reads no other environment than env ("NAME=value" each). A
// process ends well when ctx does.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &terminal{stdin: stdin, stdout: stdout, stderr: stderr, color: isTerminal(stdout) && !has(env, "NO_COLOR") && !slices.Contains(env, "TERM=dumb")}
	err := dispatch(ctx, args, env, t)
	if err == nil || errors.Is(err, errShown) {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "meetbridge: %s\n", oneLine(err.Error()))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitWrong
}

// dispatch parses args and runs the command that they select.
func dispatch(ctx context.Context, args, env []string, t *terminal) error {
	grammar := &cli{settings: newSettings(env), terminal: t}
	parser, err := newParser(grammar, t, kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.Join(printHelp(t.stderr, parser.Model.Node), usagef("no command given: try meetbridge demo"))
	}
	selected, err := parser.Parse(helpFirst(args))
	if err != nil {
		return explain(err, grammar.settings)
	}
	t.log, err = newLogger(grammar.LogLevel, grammar.LogFormat, selected.Command(), t.stderr)
	if err != nil {
		return err
	}
	return selected.Run()
}

// newParser returns the parser of grammar; what it prints goes to t.
func newParser(grammar *cli, t *terminal, more ...kong.Option) (*kong.Kong, error) {
	parser, err := kong.New(grammar, append(more,
		kong.Name("meetbridge"),
		kong.Writers(t.stdout, t.stderr),
		kong.NoDefaultHelp(),
		kong.Bind(t),
	)...)
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	return parser, nil
}

// explain turns a parse error into one that says where the wrong value stands
// and where the right ones are listed.
func explain(err error, s *settings) error {
	if errors.Is(err, errShown) {
		return err
	}
	where := "meetbridge"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			where += " " + node.Path()
		}
	}
	return usagef("%w%s (see %s --help)", err, s.origin(err.Error()), where)
}

// oneLine joins the lines of a joined error.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}

// has reports whether env sets name to something.
func has(env []string, name string) bool {
	for _, e := range env {
		if n, v, _ := strings.Cut(e, "="); n == name && v != "" {
			return true
		}
	}
	return false
}
