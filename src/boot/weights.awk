# The weight of a program by crate, from the map that lld writes when it links: awk -v bytes=SIZE -f weights.awk FILE.map
#
# A generic function counts for the crate that wrote it, not for the one that it was made for. What has no name of
# its own (text of messages, tables that the compiler makes) is "constants". Fails where the map does not tell
# of nearly all of the program: then it is a map of another linker or of another program.

# The first crate that a mangled name names; both of Rust's manglings.
function crate(name,    rest) {
    if (name ~ /^_R/) {
        if (!match(name, /C(s[0-9A-Za-z]*_)?[0-9]+/)) return "other"
        rest = substr(name, RSTART, RLENGTH)
        sub(/.*[^0-9]/, "", rest)
        return substr(name, RSTART + RLENGTH, rest + 0)
    }
    if (name !~ /^_ZN/) return ""
    match(name, /^_ZN[0-9]+/)
    rest = substr(name, RLENGTH + 1, substr(name, 4, RLENGTH - 3) + 0)
    # "$LT$" and its like are brackets and blanks. Of <A as B>, (A, B), [A] and &A it is A's crate.
    gsub(/\$[A-Za-z0-9]+\$/, " ", rest)
    while (match(rest, /[a-z][a-z0-9_]*/)) {
        name = substr(rest, RSTART, RLENGTH)
        if (name !~ /^(as|dyn|mut|const|impl|for)$/) return name
        rest = substr(rest, RSTART + RLENGTH)
    }
    return "other"
}

# The crate of a piece without a name: the library that it came in.
function library(path) {
    if (match(path, /lib[a-z0-9_]+-[0-9a-f]+\.rlib/)) {
        path = substr(path, RSTART + 3, RLENGTH - 3)
        sub(/-[0-9a-f]+\.rlib$/, "", path)
        return path
    }
    return path ~ /\.rcgu\.o$/ ? "constants" : "linker and libc"
}

function decimal(hex,    digit, value) {
    value = 0
    for (digit = 1; digit <= length(hex); digit++)
        value = value * 16 + index("0123456789abcdef", substr(hex, digit, 1)) - 1
    return value
}

$5 ~ /:\(\./ && $3 != "0" {
    split($5, half, /:\(/)
    section = half[2]
    sub(/\)$/, "", section)
    # Takes no place in the file.
    if (section ~ /^\.t?bss/ || section ~ /^COMMON/) next
    name = section
    sub(/^\.(text|rodata|data\.rel\.ro|data|tdata)\.(unlikely\.|hot\.|rel\.ro\.)?/, "", name)
    owner = crate(name)
    if (owner == "") owner = library(half[1])
    size = decimal($3)
    if (section ~ /^\.text/) code[owner] += size
    else data[owner] += size
    all[owner] += size
    total += size
}

END {
    print "    bytes      code      data  crate"
    for (owner in all) printf "%9d %9d %9d  %s\n", all[owner], code[owner], data[owner], owner | "sort -rn | head -n 25"
    close("sort -rn | head -n 25")
    printf "%9d of %d bytes\n", total, bytes
    if (total < bytes * 0.9 || total > bytes * 1.1) {
        print "the map does not tell of this program" > "/dev/stderr"
        exit 1
    }
}
