package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/alecthomas/units"
)

// errShown ends a parse that has printed all that was asked for; it is no
// failure.
var errShown = errors.New("shown")

// helpFlag prints the help of the selected command instead of running it.
type helpFlag bool

// BeforeReset is called when the flag is given.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	node := ctx.Selected()
	if node == nil {
		node = ctx.Model.Node
	}
	if err := printHelp(ctx.Stdout, node); err != nil {
		return err
	}
	return errShown
}

// helpFirst turns "help topics apply" into "topics apply --help".
func helpFirst(args []string) []string {
	if len(args) > 0 && args[0] == "help" {
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// helpWidth is how many columns help texts fill.
const helpWidth = 88

// helpFooter closes every help text.
const helpFooter = `Every flag but --help and --version can also be set by a variable (--kafka-brokers is
MEETBRIDGE_KAFKA_BROKERS; set to nothing it counts as unset) or by a key of the --config
file (kafka-brokers:). A flag goes before its variable, a variable before the file.

Exit codes: 0 all is well, 1 the run or the check found something wrong, 2 the command
line or the configuration is wrong.
`

// commandGroups are the titles below which the program's help lists commands.
func commandGroups() []string { return []string{"Try", "Run", "Operate"} }

// printHelp writes the help of n: what it is for, examples, its commands, and
// its flags, group by group.
func printHelp(w io.Writer, n *kong.Node) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", usage(n))
	if n.Parent == nil {
		b.WriteString("\nMeetbridge carries what happens in Microsoft Teams meetings and webinars into Apache Kafka.\n" +
			"To see it work, with nothing else installed: meetbridge demo\n")
	} else {
		fmt.Fprintf(&b, "\n%s\n", wrap(n.Help, "", helpWidth))
	}
	if n.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(n.Detail))
	}
	if len(n.Positional) > 0 {
		b.WriteString("\nArguments:\n")
		for _, p := range n.Positional {
			entry(&b, p.Summary(), p.Help)
		}
	}
	for _, g := range groupCommands(n) {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, c := range g.nodes {
			entry(&b, c.Path(), c.Help)
		}
	}
	for _, g := range groupFlags(n) {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, f := range g.flags {
			entry(&b, flagTerm(f), flagHelp(f))
		}
	}
	fmt.Fprintf(&b, "\n%s", helpFooter)
	_, err := io.WriteString(w, b.String())
	return err
}

// usage returns the line that shows how n is typed.
func usage(n *kong.Node) string {
	s := n.FullPath()
	if len(n.Children) > 0 {
		return s + " <command> [flags]"
	}
	for _, p := range n.Positional {
		s += " " + p.Summary()
	}
	return s + " [flags]"
}

type commandGroup struct {
	title string
	nodes []*kong.Node
}

// groupCommands returns the commands below n that can be run.
func groupCommands(n *kong.Node) []commandGroup {
	if len(n.Children) == 0 {
		return nil
	}
	if n.Parent != nil {
		return []commandGroup{{"Commands", n.Leaves(true)}}
	}
	var groups []commandGroup
	for _, title := range commandGroups() {
		g := commandGroup{title: title}
		for _, leaf := range n.Leaves(true) {
			if leaf.ClosestGroup() != nil && leaf.ClosestGroup().Title == title {
				g.nodes = append(g.nodes, leaf)
			}
		}
		if len(g.nodes) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

type flagGroup struct {
	title string
	flags []*kong.Flag
}

// groupFlags returns the flags of n by group: its own without a group first,
// then groups as they appear, the program's own last.
func groupFlags(n *kong.Node) []flagGroup {
	var groups []flagGroup
	add := func(f *kong.Flag) {
		title := "Flags"
		if f.Group != nil {
			title = f.Group.Title
		}
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.title == title })
		if i < 0 {
			i = len(groups)
			groups = append(groups, flagGroup{title: title})
		}
		groups[i].flags = append(groups[i].flags, f)
	}
	for p := n; p != nil; p = p.Parent {
		for _, f := range p.Flags {
			if f.Group == nil && !f.Hidden {
				add(f)
			}
		}
		for _, f := range p.Flags {
			if f.Group != nil && !f.Hidden {
				add(f)
			}
		}
	}
	return groups
}

// flagTerm returns how a flag is typed: "--kafka-brokers HOST:PORT,...".
func flagTerm(f *kong.Flag) string {
	s := "--" + f.Name
	if f.Short != 0 {
		s = "-" + string(f.Short) + ", " + s
	}
	if f.IsBool() {
		if f.Tag.Negatable != "" {
			s = strings.Replace(s, "--", "--[no-]", 1)
		}
		return s
	}
	return s + " " + placeholder(f)
}

func placeholder(f *kong.Flag) string {
	p := f.PlaceHolder
	switch kind := f.Target.Type(); {
	case p != "":
	case kind == reflect.TypeFor[time.Duration]():
		p = "DURATION"
	case kind == reflect.TypeFor[units.Base2Bytes]():
		p = "SIZE"
	case kind.Kind() == reflect.String || kind.Kind() == reflect.Slice:
		p = strings.ToUpper(f.Name[strings.LastIndexByte(f.Name, '-')+1:])
	default:
		p = "N"
	}
	if f.IsSlice() && !strings.HasSuffix(p, "...") {
		p += ",..."
	}
	return p
}

// flagHelp returns the flag's help with its default and its closed list of
// values.
func flagHelp(f *kong.Flag) string {
	help := f.Help
	unsaid := func(value string) bool { return !strings.Contains(help, value) }
	if f.Enum != "" && slices.ContainsFunc(f.EnumSlice(), unsaid) {
		help += " One of " + strings.ReplaceAll(strings.Trim(f.Enum, ","), ",", ", ") + "."
	}
	if f.HasDefault && f.Default != "" && (!f.IsBool() || f.Default != "false") {
		help += " (default " + f.Default + ")"
	}
	return help
}

// entry writes a term and, below it where it is long, what it means.
func entry(b *strings.Builder, term, text string) {
	const indent, column = "  ", 30
	lead := indent + term
	if utf8.RuneCountInString(lead) > column-2 {
		b.WriteString(lead + "\n")
		lead = ""
	}
	body := wrap(text, strings.Repeat(" ", column), helpWidth)
	b.WriteString(lead + body[min(utf8.RuneCountInString(lead), len(body)):] + "\n")
}

// wrap breaks text into lines of at most width columns, each behind indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
