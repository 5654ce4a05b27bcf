#!/bin/sh
# Stops the member at a removal, not at an upgrade.
set -e
if [ -d /run/systemd/system ] && { [ "$1" = remove ] || [ "$1" = 0 ]; }; then
	systemctl disable --now quoin.service || true
fi
