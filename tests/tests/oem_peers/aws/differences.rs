//! How the two differ.

use super::{ABSENT, ANEW, MORE, NUMBERED, NUMBERLESS, TIMES};
use crate::side_by_side::{Named, Only};

const WITH_TABLE: &[&str] = &[ANEW, MORE, ABSENT];

const BY_NETWORKD: &str = "theirs is networkd's configuration, whose DHCP client puts what it gets into the table of the \
                           interface; ours leaves DHCP to whoever runs it, and adds the two routes that replies need";
const TOO_EARLY: &str = "0 is the primary interface's number; ours waits for the real one";
const STALE: &str = "the file of the interface is written once and stays as it is, with the number that was known then: \
                     the rules lead to a table without a route until somebody removes the file";
const RELOADED: &str =
    "a change of a file is a reload of networkd, which removes what it did not add itself";
const KEPT: &str = "a list that is absent is no list without addresses: ours removes nothing";
const FLAG: &str = "a network of one address has no route of its own, with the flag or without it";
const NUMBER: &str =
    "theirs names an interface when its file is written, by the number that was known then";

/// How the two differ. Where nothing is named, they have the same.
pub const NAMED: &[Named] = &[
    (&[NUMBERED], Only::Ours, "altname device-number-1", NUMBER),
    (
        &TIMES,
        Only::Peer,
        "address 10.0.1.21/32 scope global noprefixroute ens5",
        FLAG,
    ),
    (
        &TIMES,
        Only::Ours,
        "address 10.0.1.21/32 scope global ens5",
        FLAG,
    ),
    (
        &[NUMBERLESS, NUMBERED, ANEW, MORE],
        Only::Peer,
        "address 10.0.2.21/32 scope global noprefixroute ens6",
        FLAG,
    ),
    (
        &[NUMBERLESS, NUMBERED, ANEW, MORE],
        Only::Ours,
        "address 10.0.2.21/32 scope global ens6",
        FLAG,
    ),
    (
        &[MORE],
        Only::Peer,
        "address 10.0.2.22/32 scope global noprefixroute ens6",
        FLAG,
    ),
    (
        &[MORE],
        Only::Ours,
        "address 10.0.2.22/32 scope global ens6",
        FLAG,
    ),
    (
        &[ABSENT],
        Only::Ours,
        "address 10.0.2.21/32 scope global ens6",
        KEPT,
    ),
    (
        &[ABSENT],
        Only::Ours,
        "address 10.0.2.22/32 scope global ens6",
        KEPT,
    ),
    (
        &[NUMBERLESS],
        Only::Peer,
        "rule 10000: from 10.0.2.20 lookup 10000",
        TOO_EARLY,
    ),
    (
        &[NUMBERLESS],
        Only::Peer,
        "rule 10000: from 10.0.2.21 lookup 10000",
        TOO_EARLY,
    ),
    (
        &[NUMBERLESS],
        Only::Peer,
        "rule 10000: from 10.0.2.32/28 lookup 10000",
        TOO_EARLY,
    ),
    (
        &[ABSENT],
        Only::Ours,
        "rule 10001: from 10.0.2.20 lookup 10001",
        KEPT,
    ),
    (
        &[ABSENT],
        Only::Ours,
        "rule 10001: from 10.0.2.21 lookup 10001",
        KEPT,
    ),
    (
        &[ABSENT],
        Only::Ours,
        "rule 10001: from 10.0.2.22 lookup 10001",
        KEPT,
    ),
    (
        &[NUMBERED],
        Only::Ours,
        "route default via 10.0.2.1 dev ens6 table 10001 proto 176",
        STALE,
    ),
    (
        &[NUMBERED],
        Only::Ours,
        "route 10.0.2.0/24 dev ens6 table 10001 proto 176 scope link",
        STALE,
    ),
    (
        WITH_TABLE,
        Only::Ours,
        "route default via 10.0.2.1 dev ens6 table 10001 proto 176",
        BY_NETWORKD,
    ),
    (
        WITH_TABLE,
        Only::Ours,
        "route 10.0.2.0/24 dev ens6 table 10001 proto 176 scope link",
        BY_NETWORKD,
    ),
    (
        WITH_TABLE,
        Only::Peer,
        "route 10.0.2.0/24 dev ens6 table 10001 proto dhcp scope link src 10.0.2.20 metric 522",
        BY_NETWORKD,
    ),
    (
        WITH_TABLE,
        Only::Peer,
        "route 10.0.2.1 dev ens6 table 10001 proto dhcp scope link src 10.0.2.20 metric 522",
        BY_NETWORKD,
    ),
    (
        WITH_TABLE,
        Only::Peer,
        "route default via 10.0.2.1 dev ens6 table 10001 proto dhcp metric 522",
        BY_NETWORKD,
    ),
    (
        WITH_TABLE,
        Only::Peer,
        "route default via 10.0.2.1 dev ens6 table 10001 proto dhcp src 10.0.2.20 metric 522",
        BY_NETWORKD,
    ),
    (
        &[MORE, ABSENT],
        Only::Ours,
        "route 192.0.2.0/24 via 10.0.2.1 dev ens6 proto static onlink",
        RELOADED,
    ),
];
