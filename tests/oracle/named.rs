//! The differences between pilotlight and Ignition 2.14 in what is accepted, each with its reason.

/// Who refuses a config that the other accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stricter {
    /// pilotlight.
    Ours,
    /// Ignition 2.14.
    Oracle,
}

/// A difference that is meant.
pub struct Named {
    /// Who refuses.
    pub stricter: Stricter,
    /// Words of the refusal.
    pub said: &'static str,
    /// Words of the names of its cases, where the refusal alone says too little.
    pub case: &'static str,
    /// Why it is better so.
    pub why: &'static str,
}

const fn named(stricter: Stricter, said: &'static str, why: &'static str) -> Named {
    Named {
        stricter,
        said,
        case: "",
        why,
    }
}

use Stricter::{Oracle, Ours};

/// All of them. One that does not occur any more fails the test.
pub const NAMED: &[Named] = &[
    named(
        Ours,
        "the name of a RAID array may not be",
        "the name is a file below /dev/md",
    ),
    named(
        Ours,
        "the name of a RAID array may not hold blanks",
        "mdadm and udev write other names for it, under which nothing finds the array",
    ),
    named(
        Ours,
        "the name of a LUKS volume may not hold blanks",
        "crypttab separates its fields by blanks: the node could not open the volume",
    ),
    named(
        Oracle,
        "unsupported config version",
        "pilotlight reads 2.0.0 to 2.4.0 as well",
    ),
    named(
        Oracle,
        "cannot use the same partition label twice",
        "an empty label names nothing: several partitions may have none",
    ),
    named(
        Oracle,
        "illegal base64 data",
        "padding carries no information, and generators leave it out",
    ),
    named(
        Oracle,
        "missing data prefix",
        "schemes may be of either case (RFC 3986, section 3.1)",
    ),
    named(
        Oracle,
        "looking for beginning of value",
        "a byte order mark is what editors on Windows put first; it carries no meaning",
    ),
    named(
        Oracle,
        "invalid url scheme",
        "Flatcar's oem:// names files of the OEM partition",
    ),
    named(
        Oracle,
        "partition labels may not exceed 36 characters",
        "a partition table has room for 36 UTF-16 units, Ignition counts bytes",
    ),
    named(
        Oracle,
        "shouldExist is false for a partition and other partition(s) has start or size 0",
        "the plan knows what is free after the removal; Ignition allows it since 3.7.0-experimental",
    ),
    named(
        Oracle,
        "unexpected newline encountered while parsing option name",
        "systemd passes over comments between the lines of a continued value (systemd.syntax(7))",
    ),
    named(
        Ours,
        "cannot be the name of a drop-in",
        "it would be written elsewhere, or systemd would not read it",
    ),
    named(
        Ours,
        "cannot be the name of a group",
        "a comma separates groups where they are handed on",
    ),
    named(
        Ours,
        "cannot be the name of the group",
        "it would break the lines of /etc/group",
    ),
    named(
        Ours,
        "cannot be the name of the user",
        "it would break the lines of /etc/passwd, or be taken for an option",
    ),
    named(
        Ours,
        "the name of the user is",
        "an account needs a name; Ignition finds out when the disks are written",
    ),
    named(
        Ours,
        "the name of the group is",
        "an account needs a name; Ignition finds out when the disks are written",
    ),
    named(
        Ours,
        "which ends a field of /etc/passwd",
        "it would add fields or lines to the databases of accounts",
    ),
    named(
        Ours,
        "user and group numbers go from",
        "the kernel knows no such number",
    ),
    named(
        Ours,
        "an SSH key is one line",
        "a line break would add a key that no one listed",
    ),
    named(
        Ours,
        "an entry of groups is empty",
        "no group has an empty name, and the account would not be made",
    ),
    named(
        Ours,
        "an entry of options is empty",
        "mkfs and mdadm take an empty argument for the name of a device",
    ),
    named(
        Ours,
        "is no UUID of",
        "mkfs refuses it when the old content is gone",
    ),
    named(
        Ours,
        "a component of the path is longer than",
        "no file system stores it",
    ),
    named(Ours, "the path holds a NUL", "no path holds one"),
    named(
        Ours,
        ": the path is not absolute",
        "the home directory of an account is an absolute path (passwd(5))",
    ),
    named(
        Ours,
        "a unit name ends in one of",
        "a suffix alone is no name of a unit",
    ),
    named(
        Ours,
        "the unit name holds the character",
        "a slash would write elsewhere, systemd reads no unit with the others",
    ),
    named(
        Ours,
        "lies below /a, which the config makes a file",
        "nothing can lie below a file",
    ),
    named(
        Ours,
        "is also written by a unit of the config",
        "which text would count? Later versions of Ignition refuse it, too",
    ),
    named(
        Ours,
        "leave none for the array",
        "mdadm refuses it when the disks are partitioned already",
    ),
    named(
        Ours,
        "may not be negative",
        "there is no such size, number or time",
    ),
    named(
        Ours,
        "partition numbers go from",
        "a table has 128 slots, and sgdisk fails",
    ),
    named(
        Ours,
        "the partition has neither number nor label",
        "an empty label names nothing: each boot would add another partition",
    ),
    named(
        Ours,
        "ignition.config.merge: the source is missing",
        "3.0.0 forgot to check it, and the reference leads nowhere",
    ),
    named(
        Ours,
        "ignition.config.replace: the source is missing",
        "an empty config cannot be parsed: fetching fails",
    ),
    named(
        Ours,
        "there is a hash, but no source",
        "3.0.0 forgot to check it in references to configs",
    ),
    named(
        Ours,
        "no section name",
        "systemd passes over such a section, and so over what it says",
    ),
    named(
        Ours,
        "expected KEY=VALUE",
        "systemd passes over such a line",
    ),
    named(
        Oracle,
        "unable to find end of section",
        "systemd passes over what stands before the first section: it is warned of",
    ),
    named(
        Oracle,
        "ecivreS[",
        "systemd passes over what stands before the first section: it is warned of",
    ),
    named(
        Ours,
        "the HTTP header",
        "names of headers are the same in either case (RFC 9110, section 5.1); line breaks would add headers",
    ),
    named(
        Ours,
        "the URL names no",
        "nothing can be fetched without a host or bucket",
    ),
    named(
        Ours,
        "the port of the URL",
        "nothing can be fetched from such a port",
    ),
    named(Ours, "no hexadecimal digit", "no contents have this hash"),
    named(
        Ours,
        "the name of a RAID array may not hold '/'",
        "mdadm would make the device elsewhere",
    ),
    named(
        Ours,
        "the name of the RAID array is",
        "an array needs a name below /dev/md",
    ),
    named(
        Ours,
        "the name of the LUKS volume is",
        "a volume needs a name below /dev/mapper",
    ),
    named(
        Ours,
        "the pin of clevis.custom is missing",
        "3.2.0 forgot to check it, and clevis fails",
    ),
    named(
        Ours,
        "the threshold is larger than the number of pins",
        "clevis could never open the volume",
    ),
    named(
        Ours,
        "the root cannot be",
        "the root is a directory, and everything lies below it",
    ),
    named(
        Ours,
        "of a hard link",
        "a hard link needs the exact path of a file below the root",
    ),
    named(
        Ours,
        "the target of the link is",
        "before 3.3.0 no target was needed, but no link can be made without",
    ),
    named(
        Ours,
        "two file systems have the path",
        "the second hides the first with all that is written into it",
    ),
    Named {
        case: "/ignition/config/merge/0/compression of another type",
        ..named(
            Ours,
            "expected a string, found",
            "in 3.0.0 the key is unknown and may hold anything: that is warned of, but the type is checked",
        )
    },
];
