#!/bin/sh
# Says on every console why the boot stopped, as the last thing before the emergency prompt.

report() {
    echo
    if [ -s /run/ignition/report.txt ]; then
        cat /run/ignition/report.txt
    else
        # Not one of the stages, or one that could not even report.
        systemctl list-units --failed --plain --no-legend | while read -r unit _; do
            echo "$unit failed:"
            journalctl --boot --quiet --output=cat --lines=20 --unit="$unit"
        done
    fi
    echo
}

text=$(report)
for console in $(cat /sys/class/tty/console/active); do
    printf '\n%s\n\n' "$text" > "/dev/$console"
done
