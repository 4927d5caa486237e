//! Groups and users on real trees, by the real useradd and its family. Needs root and the Debian
//! package `passwd`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use pilotlight_core::diag::Sources;
use pilotlight_core::facts::Facts;
use pilotlight_core::facts::accounts::{Accounts, Texts, password_digest};
use pilotlight_core::model::{Gid, Group, SysPath, Uid, User};
use pilotlight_core::op::{AccountKind, AccountName, AccountOp, Op, PasswordHash};
use pilotlight_core::plan::{Plan, accounts::plan, ssh_keys::key_files};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

const HASH: &str = "$6$salt$Rm9vYmFy";

/// A sysroot with accounts and nothing else.
struct Root {
    dir: tempfile::TempDir,
}

/// Which of the files beyond passwd and group a sysroot has.
#[derive(Debug, Clone, Copy)]
struct Has {
    shadow: bool,
    gshadow: bool,
    login_defs: bool,
    defaults: bool,
}

const ALL: Has = Has {
    shadow: true,
    gshadow: true,
    login_defs: true,
    defaults: true,
};
const MINIMAL: Has = Has {
    shadow: false,
    gshadow: false,
    login_defs: false,
    defaults: false,
};

impl Root {
    fn new(has: Has) -> Self {
        assert!(
            fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0),
            "this test changes accounts below a temporary root by useradd --root: run it as root"
        );
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(dir.path().join("etc/default")).unwrap();
        fs::create_dir(dir.path().join("srv")).unwrap();
        let root = Self { dir };
        root.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\n# odd\nodd line\n",
        );
        root.write("etc/group", "root:x:0:\nwheel:x:10:\nusers:x:100:\n");
        if has.shadow {
            root.write("etc/shadow", "root:*:19000::::::\n");
        }
        if has.gshadow {
            root.write("etc/gshadow", "root:*::\nwheel:*::\nusers:*::\n");
        }
        if has.login_defs {
            root.write(
                "etc/login.defs",
                "USERGROUPS_ENAB yes\nUID_MIN 1000\nGID_MIN 1000\n",
            );
        }
        if has.defaults {
            root.write(
                "etc/default/useradd",
                "HOME=/home\nSHELL=/bin/zsh\nGROUP=100\n",
            );
        }
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn observe(&self) -> Facts {
        let read = |path: &str| fs::read(self.path(path)).ok();
        let [passwd, group, shadow] = ["etc/passwd", "etc/group", "etc/shadow"].map(read);
        let [gshadow, login_defs, useradd] =
            ["etc/gshadow", "etc/login.defs", "etc/default/useradd"].map(read);
        let accounts = Accounts::parse(&Texts {
            passwd: passwd.as_deref(),
            group: group.as_deref(),
            shadow: shadow.as_deref(),
            gshadow: gshadow.as_deref(),
            login_defs: login_defs.as_deref(),
            useradd: useradd.as_deref(),
            ..Texts::default()
        });
        Facts {
            accounts,
            ..Facts::default()
        }
    }

    /// Plans, applies, and holds the result against both oracles. Answers how much was done.
    fn reach(&self, groups: &[Group], users: &[User]) -> Result<usize, String> {
        let before = self.observe();
        let render = |report: pilotlight_core::diag::Report| report.render(&Sources::default());
        let planned = plan(groups, users, &before).map_err(render)?;
        let shown = planned.render(&Sources::default());
        for step in &planned.steps {
            let Op::Account(op) = &step.op else {
                panic!("{step:?}")
            };
            pilotlight_sys::accounts::apply(op, self.dir.path())
                .unwrap_or_else(|error| panic!("{error}\n{shown}"));
        }
        let predicted = planned.predict(before).accounts;
        let after = self.observe();
        assert!(
            after.accounts.agrees_with(&predicted),
            "{shown}\nobserved {:#?}\npredicted {predicted:#?}",
            after.accounts
        );
        let again = plan(groups, users, &after)
            .unwrap_or_else(|report| panic!("{shown}\n{}", render(report)));
        assert_eq!(again, Plan::default(), "planned twice: {shown}");
        Ok(planned.steps.len())
    }
}

fn user(name: &str) -> User {
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

fn path(text: &str) -> Option<SysPath> {
    Some(SysPath::parse(text).unwrap())
}

/// A user and groups with every field.
fn full() -> (Vec<Group>, Vec<User>) {
    let groups = vec![
        Group {
            gid: Some(Gid(61000)),
            password_hash: text(HASH),
            ..group("docker")
        },
        Group {
            system: true,
            password_hash: text(""),
            ..group("render")
        },
    ];
    let users = vec![User {
        gecos: text("A. Person; $(touch /pwned) `id` --root"),
        groups: vec!["wheel".into(), "docker".into()],
        home_dir: path("/srv/deep/er/a"),
        no_log_init: true,
        no_user_group: true,
        password_hash: text(HASH),
        primary_group: text("render"),
        shell: text("/bin/fish"),
        uid: Some(Uid(61500)),
        ..user("a")
    }];
    (groups, users)
}

#[test]
fn every_field_arrives_in_a_whole_root() {
    let root = Root::new(ALL);
    let (groups, users) = full();
    assert_eq!(root.reach(&groups, &users), Ok(6));
    let accounts = root.observe().accounts;
    let render = accounts.group("render").unwrap().gid.unwrap();
    assert!((100..1000).contains(&render), "a system group is {render}");
    let line = format!(
        "a:x:61500:{render}:A. Person; $(touch /pwned) `id` --root:/srv/deep/er/a:/bin/fish\n"
    );
    let passwd = root.text("etc/passwd");
    assert!(passwd.contains(&line), "{passwd}");
    assert!(passwd.contains("# odd\nodd line\n"), "{passwd}");
    let groups = root.text("etc/group");
    assert!(groups.contains("wheel:x:10:a\n"), "{groups}");
    assert!(groups.contains("docker:x:61000:a\n"), "{groups}");
    let shadow = root.text("etc/shadow");
    assert!(shadow.contains(&format!("a:{HASH}:")));
    let gshadow = root.text("etc/gshadow");
    assert!(gshadow.contains(&format!("docker:{HASH}:")));
    assert!(gshadow.contains("render:*:"));
    let home = fs::metadata(root.path("/srv/deep/er/a")).unwrap();
    assert_eq!((home.uid(), home.gid()), (61500, render));
    assert!(!root.path("/pwned").exists());
}

#[test]
fn a_root_with_nothing_but_passwd_and_group_is_enough() {
    let root = Root::new(MINIMAL);
    let (groups, mut users) = full();
    users.push(User {
        password_hash: text(HASH),
        ..user("plain")
    });
    users.push(User {
        system: true,
        no_create_home: true,
        ..user("sys")
    });
    assert_eq!(root.reach(&groups, &users), Ok(9));
    let passwd = root.text("etc/passwd");
    assert!(passwd.contains(&format!("a:{HASH}:61500:")), "{passwd}");
    let groups = root.text("etc/group");
    assert!(
        groups.contains(&format!("docker:{HASH}:61000:a\n")),
        "{groups}"
    );
    assert!(root.path("/home/plain").is_dir());
    assert!(!root.path("/home/sys").exists());
    assert!(!root.path("/etc/shadow").exists());
    let sys = root.observe().accounts.user("sys").unwrap().uid.unwrap();
    assert!(sys < 1000, "a system user is {sys}");
}

#[test]
fn an_existing_user_is_changed_and_its_home_moves() {
    let root = Root::new(ALL);
    root.reach(&[], &[user("a"), user("b")]).unwrap();
    root.write("home/a/kept", "kept");
    let groups = [
        Group {
            gid: Some(Gid(61001)),
            ..group("a")
        },
        group("new"),
    ];
    let users = [User {
        gecos: text("Ünal"),
        groups: vec!["wheel".into(), "b".into()],
        home_dir: path("/srv/a"),
        password_hash: text(HASH),
        primary_group: text("61001"),
        shell: text("/bin/fish"),
        uid: Some(Uid(61001)),
        ..user("a")
    }];
    assert_eq!(root.reach(&groups, &users), Ok(4));
    let passwd = root.text("etc/passwd");
    let line = "a:x:61001:61001:Ünal:/srv/a:/bin/fish\n";
    assert!(passwd.contains(line), "{passwd}");
    assert!(root.path("/srv/a/kept").exists() && !root.path("/home/a").exists());
    assert_eq!(fs::metadata(root.path("/srv/a")).unwrap().uid(), 61001);

    // Further groups are all that there are, as with the reference; none named leaves them.
    let fewer = User {
        groups: vec!["new".into()],
        primary_group: text("new"),
        ..user("a")
    };
    assert_eq!(root.reach(&[], &[fewer]), Ok(1));
    assert_eq!(root.observe().accounts.groups_of("a"), ["new"].into());
    assert_eq!(root.reach(&[], &[user("a")]), Ok(0));

    let locked = User {
        password_hash: text(""),
        ..user("a")
    };
    assert_eq!(root.reach(&[], &[locked]), Ok(1));
    let has = root.observe().accounts.user("a").unwrap().password.clone();
    assert_eq!(has, Some(password_digest("*")));
}

#[test]
fn a_home_that_cannot_move_changes_nothing() {
    let root = Root::new(ALL);
    root.reach(&[], &[user("a")]).unwrap();
    let before = root.text("etc/passwd");
    let moved = |home| User {
        home_dir: path(home),
        ..user("a")
    };
    let refused = |home| {
        let planned = plan(&[], &[moved(home)], &root.observe()).unwrap();
        let Op::Account(op) = &planned.steps[0].op else {
            panic!()
        };
        let error = pilotlight_sys::accounts::apply(op, root.dir.path()).unwrap_err();
        assert_eq!(root.text("etc/passwd"), before);
        error.to_string()
    };
    root.write("etc/file", "");
    assert!(refused("/srv").contains(r#"home directory "/srv": it exists already"#));
    assert!(refused("/etc/file/a").contains("Not a directory"));
    // The directories above are made, wherever the root's links lead.
    symlink("/var/home", root.path("/homes")).unwrap();
    fs::create_dir_all(root.path("/var/home")).unwrap();
    assert_eq!(root.reach(&[], &[moved("/homes/deep/er")]), Ok(1));
    assert!(root.path("/var/home/deep/er").is_dir());
}

#[test]
fn removal_takes_home_and_own_group_along() {
    let root = Root::new(ALL);
    root.write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/srv:/bin/sh\n",
    );
    let member = User {
        groups: vec!["g".into()],
        ..user("b")
    };
    root.reach(&[group("g")], &[user("a"), member]).unwrap();
    let remove = |name| User {
        should_exist: false,
        ..user(name)
    };
    let groups = [Group {
        should_exist: false,
        ..group("g")
    }];
    let users = [remove("a"), remove("daemon"), remove("unheard-of")];
    assert_eq!(root.reach(&groups, &users), Ok(3));
    assert!(!root.path("/home/a").exists() && root.path("/home/b").exists());
    assert!(root.path("/srv").exists(), "daemon does not own it");
    let accounts = root.observe().accounts;
    assert!(accounts.group("a").is_none() && accounts.group("g").is_none());
    assert!(accounts.is_main_group("b", "b"));
}

#[test]
fn links_in_the_root_lead_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().to_str().unwrap();
    let before = fs::read("/etc/passwd").unwrap();
    let root = Root::new(ALL);
    symlink(outside.path(), root.path("/home")).unwrap();
    fs::create_dir_all(root.path(inside)).unwrap();
    root.reach(&[], &[user("a")]).unwrap();
    assert!(root.path(inside).join("a").is_dir());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

    // The tools want the database itself to be no link. Wherever this one led, nothing was there.
    let victim = outside.path().join("group");
    fs::write(&victim, "root:x:0:\n").unwrap();
    fs::remove_file(root.path("/etc/group")).unwrap();
    symlink(&victim, root.path("/etc/group")).unwrap();
    let name = AccountName::parse("g").unwrap();
    let (gid, system) = (None, false);
    let op = AccountOp::AddGroup { name, gid, system };
    pilotlight_sys::accounts::apply(&op, root.dir.path()).unwrap_err();
    assert_eq!(fs::read(&victim).unwrap(), b"root:x:0:\n");
    assert_eq!(fs::read("/etc/passwd").unwrap(), before);
}

#[test]
fn a_failure_names_the_operation_and_never_the_hash() {
    let root = Root::new(ALL);
    let apply = |op: &AccountOp| {
        let error = pilotlight_sys::accounts::apply(op, root.dir.path()).unwrap_err();
        format!("{error} {error:?}")
    };
    for of in [AccountKind::User, AccountKind::Group] {
        let said = apply(&AccountOp::SetPassword {
            of,
            name: AccountName::parse("nobody-knows").unwrap(),
            hash: PasswordHash::parse(HASH).unwrap(),
        });
        assert!(
            said.contains("while trying to set the password of"),
            "{said}"
        );
        assert!(said.contains("'nobody-knows' does not exist"), "{said}");
        assert!(!said.contains("Rm9vYmFy"), "{said}");
    }
    let said = apply(&AccountOp::AddGroup {
        name: AccountName::parse("root").unwrap(),
        gid: None,
        system: false,
    });
    let line = r#"while trying to add group "root": groupadd failed (exit status: 9): "#;
    assert!(said.starts_with(line), "{said}");
}

#[test]
fn locks_of_an_earlier_boot_do_not_hold_and_those_of_this_one_do() {
    let root = Root::new(ALL);
    // Process 1 always lives: to the tools its locks are never stale.
    for lock in ["etc/passwd.lock", "etc/gshadow.lock"] {
        root.write(lock, "1");
        let file = fs::File::options().write(true).open(root.path(lock));
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.unwrap().set_modified(long_ago).unwrap();
    }
    assert_eq!(root.reach(&[], &[user("a")]), Ok(1));

    root.write("etc/group.lock", "1");
    let name = AccountName::parse("g").unwrap();
    let (gid, system) = (None, false);
    let op = AccountOp::AddGroup { name, gid, system };
    let error = pilotlight_sys::accounts::apply(&op, root.dir.path()).unwrap_err();
    assert!(error.to_string().contains("/etc/group"), "{error}");
    assert!(root.path("etc/group.lock").exists());
}

#[test]
fn keys_go_where_useradd_put_the_home() {
    let root = Root::new(ALL);
    root.write("etc/default/useradd", "HOME=/var/home\n");
    let users = [User {
        ssh_authorized_keys: vec!["ssh-ed25519 AAAA a".into()],
        ..user("a")
    }];
    let dry = plan(&[], &users, &root.observe()).unwrap();
    let dry = dry.predict(root.observe()).accounts;
    root.reach(&[], &users).unwrap();
    let dry = key_files(&users, &dry, true).unwrap();
    let real = key_files(&users, &root.observe().accounts, true).unwrap();
    assert_eq!(dry[0].path, real[0].path);
    let path = "/var/home/a/.ssh/authorized_keys.d/ignition";
    assert_eq!(real[0].path.as_str(), path);
    assert!(root.path("/var/home/a").is_dir());
}

const GROUPS: [&str; 4] = ["ga", "gb", "gc", "ua"];
const USERS: [&str; 4] = ["ua", "ub", "uc", "root"];

fn hash() -> impl Strategy<Value = Option<String>> {
    select(vec![
        None,
        None,
        text(""),
        text("*"),
        text(HASH),
        text("!$6$x"),
    ])
}

fn any_group(name: &'static str) -> impl Strategy<Value = Group> {
    // Far from the numbers that useradd and groupadd choose by themselves.
    let gid = proptest::option::of((62000u32..62006).prop_map(Gid));
    let flags = (prop::bool::weighted(0.75), any::<bool>());
    (gid, hash(), flags).prop_map(move |(gid, password_hash, (should_exist, system))| Group {
        gid,
        password_hash,
        should_exist,
        system,
        ..group(name)
    })
}

fn any_user(name: &'static str) -> impl Strategy<Value = User> {
    let uid = proptest::option::of((61000u32..61006).prop_map(Uid));
    let groups = subsequence(vec!["ga", "gb", "wheel", "users", "10"], 0..=3);
    let main = select(vec![
        None,
        None,
        None,
        text("wheel"),
        text("ga"),
        text("gc"),
        text("100"),
        text("ua"),
    ]);
    let homes = select(vec![
        None,
        path(&format!("/home/{name}")),
        path(&format!("/srv/{name}")),
    ]);
    let gecos = select(vec![None, text(""), text("A. B"), text("-x é")]);
    let shell = select(vec![None, text(""), text("/bin/sh"), text("/bin/fish")]);
    let flags = (
        prop::bool::weighted(0.75),
        any::<bool>(),
        prop::bool::weighted(0.3),
        any::<bool>(),
        prop::bool::weighted(0.3),
    );
    let texts = (homes, gecos, shell, hash());
    (uid, groups, main, texts, flags).prop_map(move |(uid, groups, primary_group, texts, flags)| {
        let groups = groups.into_iter().map(String::from).collect();
        let (home_dir, gecos, shell, password_hash) = texts;
        let (should_exist, no_create_home, no_user_group, no_log_init, system) = flags;
        // The tools keep an eye on root's own processes: it only gets what they leave alone.
        if name == "root" {
            return User {
                groups,
                gecos,
                password_hash,
                ..user(name)
            };
        }
        User {
            uid,
            groups,
            primary_group,
            home_dir,
            gecos,
            shell,
            password_hash,
            should_exist,
            no_create_home,
            no_user_group,
            no_log_init,
            system,
            ..user(name)
        }
    })
}

fn any_config() -> impl Strategy<Value = (Vec<Group>, Vec<User>)> {
    let groups = subsequence(GROUPS.to_vec(), 0..=3)
        .prop_shuffle()
        .prop_flat_map(|names| names.into_iter().map(any_group).collect::<Vec<_>>());
    let users = subsequence(USERS.to_vec(), 0..=3)
        .prop_shuffle()
        .prop_flat_map(|names| names.into_iter().map(any_user).collect::<Vec<_>>());
    (groups, users)
}

fn any_root() -> impl Strategy<Value = Has> {
    any::<[bool; 4]>().prop_map(|[shadow, gshadow, login_defs, defaults]| Has {
        shadow,
        gshadow,
        login_defs,
        defaults,
    })
}

/// Whatever is asked of whatever root, in whatever order: what is observed is what was predicted,
/// and asking again asks for nothing.
#[test]
fn observations_are_predictions_over_sequences_of_configs() {
    let done = Cell::new(0);
    let refused = Cell::new(0);
    let mut runner = TestRunner::new(Config {
        max_shrink_iters: 64,
        ..pilotlight_tests::cases(16)
    });
    let sequences = (any_root(), prop::collection::vec(any_config(), 1..=5));
    let run = runner.run(&sequences, |(has, configs)| {
        let root = Root::new(has);
        for (groups, users) in configs {
            match root.reach(&groups, &users) {
                Ok(count) => done.set(done.get() + count),
                Err(_) => refused.set(refused.get() + 1),
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let (done, refused) = (done.get(), refused.get());
    assert!(
        done > 10,
        "only {done} operations and {refused} refused configs"
    );
    eprintln!("{done} operations, {refused} refused configs");
}
