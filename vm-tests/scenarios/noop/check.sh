does "the node is up" systemctl is-active multi-user.target
same "failed units" "" systemctl list-units --failed --plain --no-legend
does "result file" grep -q '"userConfigProvided": *false' /etc/.ignition-result.json
fails "no network was needed" test -e /run/ignition/neednet
