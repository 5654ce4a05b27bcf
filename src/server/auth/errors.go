package auth

import "errors"

// Errors of users, roles and permissions, and of requests that are refused.
var (
	// ErrRootUserNotExist and ErrRootRoleNotExist keep a cluster from being locked without somebody who has the key.
	ErrRootUserNotExist = errors.New("auth: root user does not exist")
	ErrRootRoleNotExist = errors.New("auth: root user does not have root role")
	ErrUserAlreadyExist = errors.New("auth: user already exists")
	// ErrUserEmpty is also the answer to a request that comes from nobody.
	ErrUserEmpty            = errors.New("auth: user name is empty")
	ErrUserNotFound         = errors.New("auth: user not found")
	ErrRoleAlreadyExist     = errors.New("auth: role already exists")
	ErrRoleNotFound         = errors.New("auth: role not found")
	ErrRoleEmpty            = errors.New("auth: role name is empty")
	ErrRoleNotGranted       = errors.New("auth: role is not granted to the user")
	ErrPermissionNotGiven   = errors.New("auth: permission not given")
	ErrPermissionNotGranted = errors.New("auth: permission is not granted to the role")
	ErrPermissionDenied     = errors.New("auth: permission denied")
	// ErrAuthFailed does not tell whether the user or the password is wrong.
	ErrAuthFailed = errors.New("auth: authentication failed, invalid user ID or password")
	// ErrNoPasswordUser: the user exists and can only come with a certificate (GHSA-vjg6-93fv-qv64).
	ErrNoPasswordUser   = errors.New("auth: authentication failed, password was given for no password user")
	ErrAuthNotEnabled   = errors.New("auth: authentication is not enabled")
	ErrInvalidAuthToken = errors.New("auth: invalid auth token")
	// ErrInvalidAuthMgmt: root must stay what it is while authentication is enabled, and ranges must not be empty.
	ErrInvalidAuthMgmt = errors.New("auth: invalid auth management")
	// ErrAuthOldRevision: users or roles have changed since the credentials were made.
	ErrAuthOldRevision = errors.New("auth: revision in header is old")
	// ErrTooManyPasswords: too many requests wait for a password to be checked.
	ErrTooManyPasswords = errors.New("auth: too many passwords are being checked")
)
