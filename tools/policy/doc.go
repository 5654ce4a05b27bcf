// Package policy holds the rules of this repository that a compiler does not check. They are tests:
//
//	go test ./tools/policy            # check
//	go test ./tools/policy -update    # rewrite the dependency lists of the programs
package policy
