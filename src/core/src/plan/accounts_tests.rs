use insta::assert_snapshot;

use super::*;
use crate::diag::Sources;
use crate::facts::accounts::Texts;
use crate::facts::unfinished_accounts::Before;
use crate::model::{Gid, SysPath, Uid};

fn facts() -> Facts {
    let accounts = Accounts::parse(&Texts {
        passwd: Some(
            b"root:x:0:0:root:/root:/bin/bash\n\
              core:x:500:500:CoreOS Admin:/home/core/:/bin/bash\n\
              old:x:501:501::/home/old:/bin/sh\n",
        ),
        group: Some(b"root:x:0:\nwheel:x:10:core\nsudo:x:150:\ncore:x:500:\nold:x:501:\n"),
        shadow: Some(b"root:*:1::::::\ncore:$6$salt$one:1::::::\nold:!:1::::::\n"),
        gshadow: Some(b"wheel:*::core\n"),
        login_defs: Some(b"USERGROUPS_ENAB yes\n"),
        useradd: Some(b"SHELL=/bin/bash\n"),
        ..Texts::default()
    });
    Facts {
        accounts,
        ..Facts::default()
    }
}

pub(super) fn user(name: &str) -> User {
    User {
        at: None,
        name: name.into(),
        gecos: None,
        groups: Vec::new(),
        home_dir: None,
        no_create_home: false,
        no_log_init: false,
        no_user_group: false,
        password_hash: None,
        primary_group: None,
        shell: None,
        should_exist: true,
        ssh_authorized_keys: Vec::new(),
        system: false,
        uid: None,
    }
}

fn group(name: &str) -> Group {
    Group {
        at: None,
        name: name.into(),
        gid: None,
        password_hash: None,
        should_exist: true,
        system: false,
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.into())
}

/// The plan as text; and what every plan must hold: planning again on its prediction gives nothing.
fn shown(groups: &[Group], users: &[User]) -> String {
    let before = facts();
    let planned = plan(groups, users, &before).unwrap_or_else(|report| panic!("{report:?}"));
    let after = planned
        .lint(before)
        .unwrap_or_else(|fault| panic!("{fault:?}"));
    let again = plan(groups, users, &after).unwrap_or_else(|report| panic!("{report:?}"));
    assert_eq!(again, Plan::default(), "planned twice");
    planned.render(&Sources::default())
}

fn refused(groups: &[Group], users: &[User]) -> String {
    plan(groups, users, &facts())
        .unwrap_err()
        .render(&Sources::default())
}

#[test]
fn groups_and_users_are_made_with_every_field() {
    let groups = [
        Group {
            gid: Some(Gid(233)),
            password_hash: text("$6$group"),
            ..group("docker")
        },
        Group {
            system: true,
            password_hash: text(""),
            ..group("render")
        },
    ];
    let full = User {
        gecos: text("A. Person"),
        groups: vec!["wheel".into(), "docker".into(), "10".into()],
        home_dir: Some(SysPath::parse("/var/home/a").unwrap()),
        no_create_home: true,
        no_log_init: true,
        no_user_group: true,
        password_hash: text("$6$salt$two"),
        primary_group: text("render"),
        shell: text("/bin/zsh"),
        system: true,
        uid: Some(Uid(1500)),
        ..user("a")
    };
    assert_snapshot!(shown(&groups, &[full, user("b")]), @r#"
      add group "docker": number 233
          because there is no group "docker" yet
      add system group "render"
          because there is no group "render" yet
      add system user "a": number 1500, main group "render", further groups "docker" "wheel", home directory "/var/home/a", shell "/bin/zsh", full name "A. Person", no home directory made, no group of its name, not in lastlog
          because there is no user "a" yet
      add user "b"
          because there is no user "b" yet
      set the password of group "docker"
          because the config gives another password hash
      disable the password of group "render"
          because the config gives another password hash
      set the password of user "a"
          because the config gives another password hash
    "#);
}

#[test]
fn of_an_existing_account_only_the_differences_change() {
    let changed = User {
        gecos: text(""),
        groups: vec!["sudo".into()],
        home_dir: Some(SysPath::parse("/var/home/core").unwrap()),
        password_hash: text(""),
        primary_group: text("wheel"),
        shell: text("/bin/zsh"),
        uid: Some(Uid(1000)),
        ..user("core")
    };
    let groups = [Group {
        gid: Some(Gid(27)),
        password_hash: text("*"),
        ..group("wheel")
    }];
    assert_snapshot!(shown(&groups, &[changed]), @r#"
      change group "wheel": number 27
          because its number is 10
      change user "core": number 1000, main group "wheel", further groups "sudo", home directory "/var/home/core", shell "/bin/zsh"
          because its number is 500, its main group is "core", its further groups are "wheel", its home directory is "/home/core", its shell is "/bin/bash"
      disable the password of user "core"
          because the config gives another password hash
    "#);
}

#[test]
fn what_is_already_so_gives_nothing() {
    let same = User {
        gecos: text("CoreOS Admin"),
        groups: vec!["wheel".into(), "wheel".into()],
        home_dir: Some(SysPath::parse("/home/core").unwrap()),
        password_hash: text("$6$salt$one"),
        primary_group: text("500"),
        shell: text("/bin/bash"),
        uid: Some(Uid(500)),
        // What counts for new users only.
        system: true,
        no_create_home: true,
        no_user_group: true,
        no_log_init: true,
        ..user("core")
    };
    let gone = User {
        should_exist: false,
        ..user("nobody-knows")
    };
    let gone_group = Group {
        should_exist: false,
        ..group("nothing")
    };
    let wheel = Group {
        gid: Some(Gid(10)),
        system: true,
        ..group("wheel")
    };
    assert_eq!(shown(&[gone_group, wheel], &[same, gone]), "");
}

#[test]
fn removal_comes_first_where_it_can_and_last_where_it_must() {
    let remove_user = |name| User {
        should_exist: false,
        ..user(name)
    };
    let remove_group = |name| Group {
        should_exist: false,
        ..group(name)
    };
    let groups = [
        remove_group("sudo"),
        remove_group("core"),
        Group {
            gid: Some(Gid(150)),
            ..group("new")
        },
        // Goes with its user and is asked for all the same.
        group("old"),
    ];
    let users = [
        User {
            uid: Some(Uid(501)),
            ..user("new-user")
        },
        User {
            primary_group: text("new"),
            ..user("core")
        },
        remove_user("old"),
    ];
    assert_snapshot!(shown(&groups, &users), @r#"
    ! delete user "old", and "/home/old" if it owns it
          because it should not exist
    ! delete group "sudo"
          because it should not exist
      add group "new": number 150
          because there is no group "new" yet
      add group "old"
          because there is no group "old" yet
      add user "new-user": number 501
          because there is no user "new-user" yet
      change user "core": main group "new"
          because its main group is "core"
    ! delete group "core"
          because it should not exist
    "#);
}

#[test]
fn what_useradd_would_fail_at_is_said_before() {
    let users = [
        User {
            groups: vec!["weel".into(), "unheard-of".into(), "later".into()],
            primary_group: text("4711"),
            uid: Some(Uid(0)),
            ..user("a")
        },
        user("later"),
        user("sudo"),
        User {
            primary_group: text("later"),
            ..user("b")
        },
        user("render"),
    ];
    let groups = [
        Group {
            gid: Some(Gid(10)),
            ..group("docker")
        },
        Group {
            should_exist: false,
            ..group("core")
        },
        Group {
            should_exist: false,
            ..group("render")
        },
    ];
    assert_snapshot!(refused(&groups, &users), @r#"
    error: the group "docker" cannot have the number 10: the group "wheel" has it
    error: the user "a" cannot have the number 0: the user "root" has it
    error: the user "a" is to be in the group "4711", which does not exist
      help: add it to the config's "groups"
    error: the user "a" is to be in the group "weel", which does not exist
      help: did you mean "wheel"?
    error: the user "a" is to be in the group "unheard-of", which does not exist
      help: add it to the config's "groups"
    error: the user "a" is to be in the group "later", which does not exist
      help: the user "later", whose group it may be, comes later: list it first
    error: the user "sudo" cannot be made with a group of its own: there is a group of that name
      help: set "primaryGroup": "sudo" to use it, or "noUserGroup": true
    error: the user "render" is made with a group of its own, but the config says that no group "render" should exist
      help: set "primaryGroup" or "noUserGroup": true
    error: the group "core" cannot be removed: it is the main group of the user "core"
      help: give "core" another "primaryGroup", or remove it by "shouldExist": false
    "#);
}

#[test]
fn hostile_values_are_refused_and_hashes_not_repeated() {
    let users = [
        user("-x"),
        user(""),
        user("a:b"),
        user("a\nroot::0:0::/:/bin/sh"),
        user("../../etc"),
        User {
            gecos: text("x\ny"),
            shell: text("/bin/sh:"),
            home_dir: Some(SysPath::parse("/a:b").unwrap()),
            ..user("a")
        },
        User {
            password_hash: text("$6$secret\nroot:"),
            ..user("b")
        },
        User {
            groups: vec!["wheel,sudo".into(), "-x".into(), String::new()],
            ..user("c")
        },
    ];
    assert_snapshot!(refused(&[group("--root")], &users), @r#"
    error: the group name "--root" cannot be used: the name begins with - or +
    error: the user name "-x" cannot be used: the name begins with - or +
    error: the user name "" cannot be used: the name is empty
    error: the user name "a:b" cannot be used: the name holds the character ':'
    error: the user name "a\nroot::0:0::/:/bin/sh" cannot be used: the name holds the character '\n'
    error: the user name "../../etc" cannot be used: the name holds the character '/'
    error: the home directory of "a" cannot be used: it holds the character ':'
    error: the shell of "a" cannot be used: it holds the character ':'
    error: the full name of "a" cannot be used: it holds the character '\n'
    error: the password hash of "b" cannot be used: it holds the character '\n'
    error: the group name "wheel,sudo" cannot be used: the name holds the character ','
    error: the group name "-x" cannot be used: the name begins with - or +
    error: the group name "" cannot be used: the name is empty
    "#);
}

#[test]
fn without_user_groups_a_group_of_the_name_is_no_obstacle() {
    let mut facts = facts();
    facts.accounts.defaults.user_groups = false;
    facts.accounts.defaults.group = text("10");
    let users = [user("sudo")];
    let planned = plan(&[], &users, &facts).unwrap();
    let after = planned.predict(facts);
    let user = after.accounts.user("sudo").unwrap();
    assert_eq!((user.uid, user.gid), (None, Some(10)));
    assert_eq!(user.home, "/home/sudo");
    assert_eq!(plan(&[], &users, &after), Ok(Plan::default()));
}

#[test]
fn what_was_cut_off_is_put_back_first() {
    let mut before = Before::default();
    before.users.insert("a".into());
    before.absent.push("/home/a".into());
    let mut facts = facts();
    facts.accounts.unfinished = Some(before);
    let users = [user("a")];
    let planned = plan(&[], &users, &facts).unwrap();
    let after = planned.lint(facts.clone()).unwrap();
    assert_eq!(plan(&[], &users, &after), Ok(Plan::default()));
    assert_snapshot!(planned.render(&Sources::default()), @r#"
    ! put groups and users back as they were before a run that was cut off: "a"
          because an earlier run was cut off while it changed them
      add user "a"
          because there is no user "a" yet
    "#);
    // Even where nothing is to be done otherwise.
    assert_eq!(plan(&[], &[], &facts).unwrap().steps.len(), 1);
}

/// Facts of an image with users and groups beside /etc.
fn facts_beside() -> Facts {
    let accounts = Accounts::parse(&Texts {
        passwd: Some(b"root:x:0:0:root:/root:/bin/bash\n"),
        group: Some(b"root:x:0:\nsudo:x:150:\n"),
        login_defs: Some(b"USERGROUPS_ENAB yes\n"),
        users_beside: &[b"core:x:500:777:Core:/home/core:/bin/sh\n".to_vec()],
        groups_beside: &[b"users2:x:777:\ndocker:x:233:core\n".to_vec()],
        ..Texts::default()
    });
    Facts {
        accounts,
        ..Facts::default()
    }
}

#[test]
fn what_the_image_has_beside_etc_is_known_and_copied_where_it_is_changed() {
    let of = |change: &dyn Fn(&mut User)| {
        let mut user = user("op");
        change(&mut user);
        (Vec::new(), vec![user])
    };
    let core = |change: &dyn Fn(&mut User)| {
        let mut user = user("core");
        change(&mut user);
        (Vec::new(), vec![user])
    };
    let of_group = |change: &dyn Fn(&mut Group)| {
        let mut group = group("users2");
        change(&mut group);
        (vec![group], Vec::new())
    };
    let copied = "copy the image's group users2 to /etc/group; ";
    type Asked = (Vec<Group>, Vec<User>);
    let table: Vec<(Asked, String)> = vec![
        (
            of(&|user| user.groups = vec!["users2".into(), "sudo".into()]),
            format!("{copied}add user op: further groups sudo users2; "),
        ),
        (
            of(&|user| user.groups = vec!["777".into()]),
            format!("{copied}add user op: further groups users2; "),
        ),
        (
            of(&|user| user.primary_group = text("users2")),
            format!("{copied}add user op: main group users2; "),
        ),
        (
            of(&|user| user.groups = vec!["sudo".into()]),
            "add user op: further groups sudo; ".into(),
        ),
        (core(&|_| {}), String::new()),
        (core(&|user| user.primary_group = text("users2")), String::new()),
        (core(&|user| user.groups = vec!["docker".into()]), String::new()),
        (
            core(&|user| user.groups = vec!["docker".into(), "sudo".into()]),
            "copy the image's user core to /etc/passwd; copy the image's group docker to /etc/group; \
             change user core: further groups docker sudo; "
                .into(),
        ),
        (
            core(&|user| user.shell = text("/bin/zsh")),
            "copy the image's user core to /etc/passwd; change user core: shell /bin/zsh; ".into(),
        ),
        (
            core(&|user| user.password_hash = text("$6$a$b")),
            "copy the image's user core to /etc/passwd; set the password of user core; ".into(),
        ),
        (of_group(&|_| {}), String::new()),
        (of_group(&|group| group.gid = Some(Gid(777))), String::new()),
        (
            of_group(&|group| group.gid = Some(Gid(900))),
            format!("{copied}change group users2: number 900; "),
        ),
        (
            of_group(&|group| group.password_hash = text("*")),
            format!("{copied}disable the password of group users2; "),
        ),
        (
            of_group(&|group| group.should_exist = false),
            "error: the group users2 cannot be removed: it is in the image itself, outside of /etc".into(),
        ),
        (
            core(&|user| user.should_exist = false),
            "error: the user core cannot be removed: it is in the image itself, outside of /etc".into(),
        ),
        (
            of(&|user| user.uid = Some(Uid(500))),
            "error: the user op cannot have the number 500: the user core has it".into(),
        ),
    ];
    for ((groups, users), expected) in table {
        let facts = facts_beside();
        let said = match plan(&groups, &users, &facts) {
            Ok(planned) => {
                let mut after = facts.clone();
                for step in &planned.steps {
                    step.op.precondition(&after).unwrap();
                    step.op.predict(&mut after);
                }
                assert!(
                    plan(&groups, &users, &after).unwrap().is_empty(),
                    "{users:?}"
                );
                planned
                    .steps
                    .iter()
                    .map(|step| format!("{}; ", step.op))
                    .collect()
            }
            Err(report) => format!("error: {}", report.items[0].message),
        };
        assert_eq!(said.replace('"', ""), expected, "{groups:?} {users:?}");
    }
}
