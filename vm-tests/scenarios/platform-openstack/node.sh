fails "no network was needed" test -e /run/ignition/neednet
