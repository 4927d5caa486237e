//! The sysroot's account files, NUL between them, and a config's view of the accounts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilotlight_core::facts::accounts::{Accounts, Texts};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|byte| *byte == 0);
    let beside: Vec<Vec<u8>> = bytes
        .rsplit(|byte| *byte == 0)
        .take(2)
        .map(<[u8]>::to_vec)
        .collect();
    let texts = Texts {
        users_beside: &beside,
        groups_beside: &beside,
        passwd: parts.next(),
        group: parts.next(),
        shadow: parts.next(),
        gshadow: parts.next(),
        login_defs: parts.next(),
        useradd: parts.next(),
    };
    let accounts = Accounts::parse(&texts);
    assert!(accounts.agrees_with(&accounts));
    for (name, user) in &accounts.users {
        accounts.groups_of(name);
        let uid = user.uid.unwrap_or_default();
        assert!(accounts.user_by_uid(uid).is_some());
    }

    // What was read is read again when it is written as the files have it.
    let mut passwd = String::new();
    for (name, user) in &accounts.users {
        let (uid, gid) = (user.uid.unwrap_or_default(), user.gid.unwrap_or_default());
        let shell = user.shell.clone().unwrap_or_default();
        passwd += &format!(
            "{name}:*:{uid}:{gid}:{}:{}:{shell}\n",
            user.gecos, user.home
        );
    }
    let mut group = String::new();
    for (name, facts) in &accounts.groups {
        let members: Vec<&str> = facts.members.iter().map(String::as_str).collect();
        group += &format!(
            "{name}:*:{}:{}\n",
            facts.gid.unwrap_or_default(),
            members.join(",")
        );
    }
    let again = Accounts::parse(&Texts {
        passwd: Some(passwd.as_bytes()),
        group: Some(group.as_bytes()),
        ..texts
    });
    assert_eq!(accounts.users.len(), again.users.len());
    for (name, user) in &accounts.users {
        let found = again.user(name).cloned().unwrap_or_default();
        assert_eq!(
            (user.uid, user.gid, &user.gecos, &user.home, &user.shell),
            (
                found.uid,
                found.gid,
                &found.gecos,
                &found.home,
                &found.shell
            )
        );
    }
    assert_eq!(accounts.groups.len(), again.groups.len());
    for (name, group) in &accounts.groups {
        let found = again.group(name).cloned().unwrap_or_default();
        assert_eq!((group.gid, &group.members), (found.gid, &found.members));
    }
    assert_eq!(accounts.defaults, again.defaults);
});
