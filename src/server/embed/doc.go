// Package embed starts a member inside a Go program: its listeners, the member itself, and the services on top of it.
//
// Settings are a config.Config: config.Default gives those of a member alone on the usual ports, config.Parse those of a command
// line, and Private those of a store that nobody else reaches. Start brings the member up, Wait waits until it serves, Client
// talks to it without a network, and Stop ends it:
//
//	server, err := embed.Start(embed.Private(dir), nil)
//	...
//	defer server.Stop()
//	store, err := server.Client()
//
// A program may run many servers, of one cluster or of several, as long as each has a data directory of its own. Nothing is
// global. A member that can not go on says so through Failed and does not end the program.
package embed
