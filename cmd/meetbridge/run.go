package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alecthomas/units"
)

// The exit codes; printed below every help text.
const (
	exitOK    = 0
	exitWrong = 1 // the run or the check found something wrong
	exitUsage = 2 // the command line, a variable or the configuration is wrong

	exitDiffers = 3 // nothing is wrong, but something is to be done; only where a flag asks for it
)

// errDiffers ends the process with exitDiffers, all having been said.
var errDiffers = errors.New("there is something to do")

// usageError marks an error that the user mends by typing something else.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns an error that ends the process with exitUsage.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// mistyped marks err as one that the user mends by typing something else, unless
// the machine refused what was typed well: an address in use, say.
func mistyped(err error) error {
	var refused *os.SyscallError
	var listen *net.OpError
	if errors.As(err, &listen) && listen.Op == "listen" && errors.As(err, &refused) {
		return err
	}
	return usageError{err}
}

// listenHint adds to err what to do when an address cannot be listened on.
func listenHint(err error, flag string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: choose another with %s", err, flag)
	}
	return err
}

// sameEnding is how long another signal counts as the one before: timeout sends
// it to its child and to the group of that, and so do other supervisors.
const sameEnding = time.Second

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends.
// SIGINT or SIGTERM once more, sameEnding or later, ends the process at once,
// whatever it is doing; not SIGHUP, since a terminal that closes may send two. What
// it makes of the signals it says on stderr. SIGPIPE is ignored, so that a write
// to a pipe that nobody reads fails instead: see watchedOutput.
func untilSignal(ctx context.Context, stderr io.Writer) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signal.Ignore(syscall.SIGPIPE)
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		signal.Notify(hangups, syscall.SIGHUP)
	}
	go func() { // for as long as the process lives
		select {
		case <-signals:
		case <-hangups:
		}
		first := time.Now()
		cancel()
		for s := range signals {
			if time.Since(first) >= sameEnding {
				fmt.Fprintf(stderr, "meetbridge: ended at once, by another signal (%s) %s after the first\n", s, span(time.Since(first)))
				os.Exit(exitWrong)
			}
			fmt.Fprintf(stderr, "meetbridge: ending in good order; another signal (%s) counts only %s after the first\n", s, span(sameEnding))
		}
	}()
	return ctx
}

// run is the process without its globals: it carries out args and returns the
// exit code. It reads no other environment than env ("NAME=value" each). A
// process ends well when ctx does, and when nobody reads stdout any more.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &watchedOutput{to: stdout, cancel: cancel}
	t := &terminal{stdin: stdin, stdout: out, stderr: stderr, color: isTerminal(stdout) && !has(env, "NO_COLOR") && !slices.Contains(env, "TERM=dumb")}
	err := dispatch(ctx, args, env, t)
	if failed := out.failure(); failed != nil { // whatever came of it
		err = fmt.Errorf("write to standard output: %w", failed)
		if errors.Is(failed, syscall.EPIPE) {
			return exitOK
		}
	}
	if err == nil || errors.Is(err, errShown) {
		return exitOK
	}
	if errors.Is(err, errDiffers) {
		return exitDiffers
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
	if err := checkPrefix(selected); err != nil {
		return usagef("%w%s (see meetbridge %s --help)", err, grammar.settings.origin(err.Error()), selected.Selected().Path())
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
		kong.TypeMapper(reflect.TypeFor[units.Base2Bytes](), kong.MapperFunc(sizeMapper)),
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
	return usagef("%s%s (see %s --help)", plainer(err.Error()), s.origin(err.Error()), where)
}

var looksLikeFlag = regexp.MustCompile(`^(--[a-z0-9-]+): expected .* value but got "([^"]*)" \(.*flag\).*$`)

// plainer says some of kong's messages better.
func plainer(message string) string {
	message = strings.Replace(message, ` must be one of "",`, " must be one of ", 1)
	return looksLikeFlag.ReplaceAllString(message, `$1: "$2" looks like a flag: give a value that does not begin with a dash`)
}

// sizeMapper reads a size, and says what one looks like.
func sizeMapper(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("size", &text); err != nil {
		return err
	}
	size, err := units.ParseBase2Bytes(text)
	if err != nil {
		return fmt.Errorf("expected a size such as 16MiB or 512KiB but got %q", text)
	}
	target.SetInt(int64(size))
	return nil
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
