#!/bin/sh
# The data and the user stay: they are not the package's.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
