// Package e2e holds the end-to-end suites: real processes of the built binaries, driven through their ports.
package e2e
