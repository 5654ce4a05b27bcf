#!/bin/sh
# The service is neither enabled nor started: a member that comes up with default settings may be the wrong one.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers quoin.conf
elif ! getent passwd quoin >/dev/null 2>&1; then
	groupadd --system quoin
	useradd --system --gid quoin --home-dir /var/lib/quoin --no-create-home --shell /usr/sbin/nologin quoin
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	# After an upgrade ($1 is "configure OLD" with dpkg, 2 or more with rpm) a running member takes the new program.
	if [ -n "$2" ] || [ "$1" = 2 ]; then
		systemctl try-restart quoin.service || true
	fi
fi
