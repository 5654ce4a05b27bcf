// Package platforms runs what a release holds where this machine can: the image in a Docker engine, and the programs of
// other processors under QEMU. A test without its engine is skipped and says so.
package platforms
