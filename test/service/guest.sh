#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Runs in a Debian guest with systemd, as a unit: installs the packages in /debs and goes through the
# life of the service. Each check prints "## NAME STATUS"; test_service.py says which there must be.

unit=dpdk-vsockd.service
env=/etc/default/dpdk-vsockd

check() { # NAME COMMAND...
	name=$1
	shift
	"$@" >/tmp/out 2>&1
	status=$?
	sed 's/^/   /' /tmp/out
	echo "## $name $status"
}

prop() {
	systemctl show -P "$1" $unit
}

is() { # PROPERTY VALUE
	[ "$(prop "$1")" = "$2" ] || { echo "$1 is $(prop "$1"), not $2"; return 1; }
}

# Wait until a property has a value.
becomes() { # PROPERTY VALUE SECONDS
	i=0
	while [ "$(prop "$1")" != "$2" ]; do
		i=$((i + 1))
		[ $i -lt $(($3 * 2)) ] || { is "$1" "$2"; return 1; }
		sleep 0.5
	done
}

journal() {
	journalctl -q --no-pager -o cat -u $unit "$@"
}

as_user() {
	setpriv --reuid=vsockd --regid=vsockd --clear-groups "$@"
}

pktgen() {
	as_user dpdk-vsock-pktgen --scenario guest-to-host --seconds 1 --verify --quiet --stall 30 \
		--guest iface=/run/vsockd/vm3.sock,uds=/run/vsockd/vm3.vsock,cid=3
}

status_line() {
	systemctl status --no-pager $unit
	case $(prop StatusText) in
	"0 of 1 guests connected" | "1 of 1 guests connected") ;;
	*) return 1 ;;
	esac
}

sighup() {
	pid=$(prop MainPID)
	systemctl reload $unit || return 1
	sleep 1
	[ "$(prop MainPID)" = "$pid" ] || { echo "another process"; return 1; }
	[ "$(journal | grep -c SIGHUP)" = 1 ] || { journal | grep SIGHUP; return 1; }
}

# Wait until another process serves.
replaced() { # PID SECONDS
	i=0
	while [ "$(prop MainPID)" = "$1" ] || ! systemctl -q is-active $unit; do
		i=$((i + 1))
		[ $i -lt $(($2 * 2)) ] || return 1
		sleep 0.5
	done
}

killed() {
	pid=$(prop MainPID)
	kill -KILL "$pid"
	replaced "$pid" 30 || return 1
	[ -S /run/vsockd/vm3.sock ]
}

# A daemon that is stopped does not feed the watchdog.
watchdog() {
	mkdir -p /run/systemd/system/$unit.d
	printf '[Service]\nWatchdogSec=5\n' >/run/systemd/system/$unit.d/test.conf
	systemctl daemon-reload && systemctl restart $unit || return 1
	pid=$(prop MainPID)
	sleep 8 # it is fed
	[ "$(prop MainPID)" = "$pid" ] || { echo "restarted although all went well"; return 1; }
	kill -STOP "$pid"
	replaced "$pid" 60 || return 1
	rm -r /run/systemd/system/$unit.d
	systemctl daemon-reload
	journalctl -q --no-pager -o cat _PID=1 | grep -i "watchdog timeout"
}

# A wrong configuration: one line says what is wrong, and it is not tried again.
bad_config() {
	sed -i 's/cid=3/cid=2/' $env
	systemctl restart $unit && { echo "started"; return 1; }
	becomes ActiveState failed 30 || return 1
	is ExecMainStatus 78 || return 1
	sleep 3
	is ActiveState failed || return 1
	journal -n 5
	journal -n 5 | grep "cid=2: must be" || return 1
	sed -i 's/cid=2/cid=3/' $env
	systemctl start $unit
}

# A fault that may go away is tried again.
other_failure() {
	pid=$(prop MainPID)
	systemctl stop $unit
	rm -f /run/vsockd/vm3.sock
	mkdir /run/vsockd/vm3.sock
	systemctl start --no-block $unit
	becomes Result exit-code 60 || return 1
	is ExecMainStatus 1 || return 1
	rmdir /run/vsockd/vm3.sock
	i=0
	while ! systemctl -q is-active $unit; do
		i=$((i + 1))
		[ $i -lt 60 ] || return 1
		systemctl reset-failed $unit
		systemctl start $unit
		sleep 0.5
	done
}

# Each line stands once, with its priority; errors can be found by it.
journal_lines() {
	journal | sed 's/0x[0-9a-f]*//' >/tmp/lines
	journal -o short _SYSTEMD_UNIT=$unit
	[ "$(journal SYSLOG_IDENTIFIER=dpdk-vsockd | grep -c '^vsock: ready')" -ge 1 ] || return 1
	[ "$(journal -p err | grep -c 'cid=2: must be')" -ge 1 ] || return 1
	[ "$(journal -p err | grep -c 'ready')" = 0 ] || return 1
	starts=$(journal | grep -c '^vsock: ready')
	[ "$(journal | grep -c 'dpdk-vsock-top.py -f')" = "$starts" ]
}

group_can_look() {
	as_user dpdk-vsock-top.py -n 1 -i 0.5
}

stop() {
	systemctl stop $unit
	is ActiveState inactive && is Result success && [ ! -e /run/vsockd/vm3.sock ]
}

purged() {
	dpkg --purge dpdk-vsockd-tools dpdk-vsockd || return 1
	for path in /lib/systemd/system/$unit $env /run/vsockd /usr/sbin/dpdk-vsockd \
		/etc/systemd/system/multi-user.target.wants/$unit; do
		[ ! -e $path ] || { echo "$path is left"; return 1; }
	done
}

exec 2>&1
cat /proc/uptime
check install dpkg -i /debs/*.deb
check enabled systemctl is-enabled $unit
check active becomes ActiveState active 60
check notify is Type notify
check status status_line
check serves pktgen
check group_can_look group_can_look
check sighup sighup
check killed killed
check serves_again pktgen
check watchdog watchdog
check bad_config bad_config
check other_failure other_failure
check journal journal_lines
check stop stop
check purge purged
cat /proc/uptime
echo "## end 0"
