# In front of every check script: each line of the answer is one check.

# same NAME EXPECTED COMMAND…: the command's output is exactly this.
same() {
    name=$1
    expected=$2
    shift 2
    got=$("$@" 2>&1)
    if [ "$got" = "$expected" ]; then
        echo "ok $name: $got" | head -n 1
    else
        echo "FAIL $name: expected “$expected”, got “$got”" | tr '\n' ' '
        echo
    fi
}

# does NAME COMMAND…: the command succeeds.
does() {
    name=$1
    shift
    if got=$("$@" 2>&1); then
        echo "ok $name"
    else
        echo "FAIL $name: $got" | tr '\n' ' '
        echo
    fi
}

# fails NAME COMMAND…: the command fails.
fails() {
    name=$1
    shift
    if got=$("$@" 2>&1); then
        echo "FAIL $name: $got" | tr '\n' ' '
        echo
    else
        echo "ok $name"
    fi
}
