// Package discover reads source trees for the names that outgoing calls depend
// on, the names of the keys beside them, and what would turn a poisoned answer
// into a leaked key.
//
// It reads Python, Go, JavaScript and TypeScript, environment files, YAML
// (Compose and Kubernetes among it) and systemd units. It runs nothing and asks
// nobody. A hostname counts where the program calls it, not where it shows it to
// people: comments, messages, links, licences, tests and vendored code are left
// out, and so are names that are put together only at run time.
//
// # Secrets
//
// Names of secrets are kept, values never: what a report holds of a file are
// hostnames, names of variables, and line numbers. What could be a value and not
// a name is no name.
//
// # Hostile trees
//
// A tree may be anybody's. Files are opened below its root alone, links are not
// followed, and what is larger, deeper or more than the bounds of this package
// is passed over and said so. Every reader takes time and memory in proportion
// to the file.
package discover
