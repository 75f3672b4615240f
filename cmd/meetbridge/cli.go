package main

import (
	"github.com/alecthomas/kong"
)

// cli is the grammar: the flags that every command takes, and the commands.
// The flags of each command, their variables and their YAML keys are one table
// (DESIGN §7): the struct tags, here and in the packages that own a Config.
type cli struct {
	Config    string      `placeholder:"FILE" group:"General" help:"YAML file of settings: keys are flag names, for all commands or nested below a command's name; check, quarantine and keys client-state read what stands below ingest too; check, subscriptions and keys rotate what stands below renewer. Flags and variables go before it."`
	LogLevel  string      `enum:",debug,info,warn,error" default:"" placeholder:"LEVEL" group:"General" help:"Log debug, info, warn or error and above, to standard error. Unset: info for ingest, renewer, broker and graphsim, error for the rest."`
	LogFormat string      `enum:"text,json" default:"text" placeholder:"FORMAT" group:"General" help:"Log as text or json, one line an entry."`
	Version   versionFlag `group:"General" help:"Print the version and what it was built from."`
	Help      helpFlag    `short:"h" group:"General" help:"Print this help."`

	Demo          demoCmd          `cmd:"" group:"Try" help:"Run everything in one process, with a simulated Microsoft Graph, and print records as they land."`
	Broker        brokerCmd        `cmd:"" group:"Try" help:"Run a Kafka broker and a schema registry for development."`
	Graphsim      graphsimCmd      `cmd:"" group:"Try" help:"Run a simulated Microsoft Graph that posts notifications to any URL."`
	Ingest        ingestCmd        `cmd:"" group:"Run" help:"Take Microsoft Graph's notifications and produce them to Kafka."`
	Renewer       renewerCmd       `cmd:"" group:"Run" help:"Keep Microsoft Graph's subscriptions alive."`
	Tail          tailCmd          `cmd:"" group:"Operate" help:"Print records as they come, decoded."`
	Topics        topicsCmd        `cmd:"" group:"Operate" help:"Plan and make the Kafka topics."`
	Schemas       schemasCmd       `cmd:"" group:"Operate" help:"Compare the Avro schemas with the registry, and register them."`
	Subscriptions subscriptionsCmd `cmd:"" reads:"renewer" group:"Operate" help:"Compare the subscriptions at Graph with those desired, and make them so."`
	Quarantine    quarantineCmd    `cmd:"" reads:"ingest" group:"Operate" help:"Look at what was set aside, and replay it."`
	Keys          keysCmd          `cmd:"" group:"Operate" help:"Make the keys that a deployment needs, and rotate them."`
	Check         checkCmd         `cmd:"" reads:"renewer,ingest" group:"Operate" help:"Check everything that ingest and renewer need, and say what to do."`
	Ready         readyCmd         `cmd:"" group:"Operate" help:"Ask a process on this machine whether it is ready."`

	settings *settings
	terminal *terminal
}

// BeforeResolve lets variables and the config file answer for the flags that
// the command line does not set. Kong calls it once a parse, after --help and
// --version had their say.
func (c *cli) BeforeResolve(ctx *kong.Context) error {
	file, _ := ctx.FlagValue(flagNamed(ctx.Model.Node, "config")).(string)
	if err := c.settings.load(ctx.Model.Node, file); err != nil {
		return err
	}
	ctx.AddResolver(c.settings)
	return nil
}

// flagNamed returns the flag of n itself that has the name, nil if none has.
func flagNamed(n *kong.Node, name string) *kong.Flag {
	for _, f := range n.Flags {
		if f.Name == name {
			return f
		}
	}
	return nil
}
