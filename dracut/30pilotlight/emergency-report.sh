#!/bin/sh
# Says on every console why the boot stopped, as the last thing before the emergency prompt.
# What is shown came from outside: printf takes it as it is, where echo would read backslashes.
set -f

report() {
    printf '\n'
    if [ -s /run/ignition/report.txt ]; then
        cat /run/ignition/report.txt
        return
    fi
    # Not one of the stages, or one that could not even report.
    failed=$(systemctl list-units --failed --plain --no-legend)
    if [ -n "$failed" ]; then
        printf '%s\n' "$failed" | while read -r unit _; do
            printf '%s failed:\n' "$unit"
            journalctl --boot --quiet --output=cat --lines=20 --unit="$unit"
        done
    else
        # A unit that was never started, because of a device or of another unit, has not failed for systemd.
        printf '%s\n' "What the boot needs could not be started:"
        journalctl --boot --quiet --output=cat _PID=1 | while read -r line; do
            case $line in
                'Timed out waiting for '* | 'Dependency failed for '* | *': Bound to unit '*) printf '  %s\n' "$line" ;;
            esac
        done
    fi
}

text=$(report)
for console in $(cat /sys/class/tty/console/active); do
    [ -c "/dev/$console" ] || continue
    printf '\n%s\n\n' "$text" > "/dev/$console"
    # The console is hung up when this program ends, and what a serial line has not sent yet is dropped with it.
    # stty waits for that; a line that takes nothing holds nothing up.
    timeout --foreground 10 stty -F "/dev/$console" opost
done
