// Package auth decides who may do what: it holds users, roles and permissions as the log says, and holds requests against
// them.
package auth
