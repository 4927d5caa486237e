use super::*;
use crate::config;
use crate::diag::Sources;

/// Names with their hashes, and what is said.
fn read(text: &str) -> (Vec<(String, String)>, String) {
    let mut sources = Sources::default();
    let text = format!("#cloud-config\n{text}");
    let parsed = config::read(&mut sources, "c", text.as_bytes());
    let report = parsed.report.render(&sources);
    let users = parsed.config.map(|config| config.passwd.users);
    let hash = |user: &crate::spec::v3::User| {
        let name = user.name.as_ref()?.value.clone();
        Some((name, user.password_hash.as_ref()?.value.clone()))
    };
    let hashes = users.unwrap_or_default().iter().filter_map(hash).collect();
    (hashes, report)
}

#[test]
fn hashes_are_told_from_passwords() {
    for hash in [
        "$6$salt$abc/.",
        "$6$rounds=4096$salt$abc",
        "$y$j9T$salt$hash",
        "$2b$12$abcdef$",
        "!$6$salt$abc",
        "*",
        "*LK*",
        "!",
        "!!",
    ] {
        assert!(is_hash(hash), "{hash}");
    }
    for plain in [
        "hunter2",
        "$ecret$word$",
        "$6$",
        "$6$salt",
        "x$6$salt$abc",
        "$6$a$b c",
    ] {
        assert!(!is_hash(plain), "{plain}");
    }
    for old in ["x", "NP", "!LK", "ab1234567890."] {
        assert!(is_old_hash(old), "{old}");
    }
    for plain in ["", "hunter2", "thirteen_char"] {
        assert!(!is_old_hash(plain), "{plain}");
    }
}

#[test]
fn plain_passwords_are_hashed_wherever_they_stand() {
    for (text, name) in [
        ("users: [{name: a, plain_text_passwd: hunter2}]", "a"),
        (
            "users: [{name: a, plain-text-passwd: hunter2, lock_passwd: false}]",
            "a",
        ),
        ("users: [{name: a, passwd: hunter2}]", "a"),
        ("users: [{name: a, hashed_passwd: hunter2}]", "a"),
        ("users: [{name: a, plain_text_passwd: $6$salt$abc}]", "a"),
        (
            "users: [default, {name: core, plain_text_passwd: 'a: b # c'}]",
            "core",
        ),
        ("password: hunter2", "core"),
        ("password: 12345", "core"),
        ("user: alice\npassword: hunter2", "alice"),
        ("chpasswd: {list: 'root:hunter2'}", "root"),
        ("chpasswd:\n  list: |\n    root:hunter:2\n", "root"),
        ("chpasswd: {list: ['root:hunter2']}", "root"),
        (
            "chpasswd: {users: [{name: b, password: hunter2, type: text}]}",
            "b",
        ),
        (
            "chpasswd: {users: [{name: b, password: $6$salt$abc, type: text}]}",
            "b",
        ),
        ("chpasswd: {users: [{name: b, password: hunter2}]}", "b"),
        ("chpasswd: {expire: false}\npassword: hunter2", "core"),
    ] {
        let (hashes, said) = read(text);
        let [(user, hash)] = hashes.as_slice() else {
            panic!("{text}: {hashes:?} {said}");
        };
        assert_eq!(user, name, "{text}");
        assert!(hash.starts_with("$6$rounds=5000$"), "{text}: {hash}");
        assert_eq!(hash.len(), "$6$rounds=5000$".len() + 16 + 1 + 86, "{hash}");
        assert!(
            said.contains("warning: this is a password, which everybody knows"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!said.contains("damaged"), "{said}");
    }
}

#[test]
fn hashes_and_marks_stay_as_they_are() {
    let sha512 = format!("$6$salt${}", "a".repeat(86));
    for (text, expected) in [
        (
            format!("users: [{{name: a, passwd: {sha512}}}]"),
            sha512.clone(),
        ),
        (
            format!("users: [{{name: a, hashed_passwd: {sha512}, lock_passwd: true}}]"),
            format!("!{sha512}"),
        ),
        (format!("password: {sha512}"), sha512.clone()),
        (format!("chpasswd: {{list: 'a:{sha512}'}}"), sha512.clone()),
        (
            format!("chpasswd: {{users: [{{name: a, password: {sha512}, type: hash}}]}}"),
            sha512.clone(),
        ),
        ("users: [{name: a, passwd: '*'}]".into(), "*".into()),
        ("users: [{name: a, passwd: '!!'}]".into(), "!!".into()),
        ("users: [{name: a, passwd: x}]".into(), "x".into()),
        (
            "users: [{name: a, passwd: abJnggxhB/yWI}]".into(),
            "abJnggxhB/yWI".into(),
        ),
    ] {
        let (hashes, said) = read(&text);
        assert_eq!(
            hashes.first().map(|(_, hash)| hash),
            Some(&expected),
            "{text}"
        );
        assert_eq!(said, "", "{text}");
    }
}

#[test]
fn many_are_one_warning_and_a_locked_one_is_locked() {
    let (hashes, said) = read(
        "users:
  - {name: a, plain_text_passwd: hunter2, lock_passwd: true}
  - {name: b, plain_text_passwd: hunter2}
  - {name: c, passwd: hunter2}
",
    );
    assert!(hashes[0].1.starts_with("!$6$"), "{hashes:?}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    assert!(
        said.starts_with("c:3:34: warning: this is a password (and 2 more)"),
        "{said}"
    );
    // Nobody sees which users have the same password.
    let salts: std::collections::HashSet<&str> = hashes
        .iter()
        .filter_map(|(_, hash)| hash.split('$').nth(3))
        .collect();
    assert!(salts.len() >= 2, "{hashes:?}");
}

#[test]
fn the_same_config_has_the_same_hash_and_no_other_has_its_salt() {
    let hash = |text: &str| read(text).0.remove(0).1;
    let salt = |hash: &str| hash.split('$').nth(3).unwrap().to_owned();
    let text = "hostname: n1\npassword: hunter2";
    assert_eq!(hash(text), hash(text));
    let other = hash("hostname: n1\npassword: hunter3");
    // The salt tells nothing of the password.
    assert_eq!(salt(&other), salt(&hash(text)));
    assert_ne!(other, hash(text));
    assert_ne!(
        salt(&hash("hostname: n2\npassword: hunter2")),
        salt(&hash(text))
    );
    assert_ne!(
        salt(&hash("hostname: n1\nuser: alice\npassword: hunter2")),
        salt(&hash(text))
    );
}

#[test]
fn crypt_makes_the_same_of_it() {
    // openssl passwd -6 -salt SALT PASSWORD
    for (user, password, expected) in CRYPT {
        let text = format!("users: [{{name: {user}, plain_text_passwd: {password:?}}}]");
        let (hashes, _) = read(&text);
        assert_eq!(&hashes[0].1, expected, "{user}");
    }
}

const CRYPT: &[(&str, &str, &str)] = &[
    (
        "a",
        "hunter2",
        "$6$rounds=5000$B1P1zqCO.0ksxc84$8.6bm8rWs9PX7RFsMqmeJt3/QLB5g5kHeikC6epjVUcvNKzzfWLDiq9Cd1yaJMdkmlp.aJBvFtnxTdRl6yuLQ1",
    ),
    (
        "b",
        "a",
        "$6$rounds=5000$Xk3yOKMwVzt8GZFb$pL4.xsSMfdbKg1PocosJfESh6ny.Tv0ClHKjcOlT2QgitouRQbXdjVtuRITkek49Hakz9j/NE6YtWdhUYJmlf.",
    ),
    (
        "c",
        "pässwörd ✓",
        "$6$rounds=5000$YPJB1NNvWdN6HvVn$.7WHy5Dwl.6ucLHw75xJt7DaENId0kJHwd0EF.1qhnQyvX4uy80VazQ6vgGTFnIhvnH9H7EOPIumaPJE5gPKi/",
    ),
    (
        "d",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
        "$6$rounds=5000$RErekglYgaRNcXiG$1/n5CEaTop4V/et0cE4jsMxnHhGjSp1s5N4Xu4g3tQm4enOhu/oA0Htv866nzTmC7n0ajaJy.aILDb6zOZyUO0",
    ),
];

#[test]
fn what_cannot_be_hashed_or_typed_is_refused() {
    let long = "a".repeat(LONGEST + 1);
    for (text, expected) in [
        (
            format!("password: {long}"),
            "the password of \"core\" cannot be typed in",
        ),
        (
            "password: \"a\\0b\"".into(),
            "the password of \"core\" cannot be typed in",
        ),
        (
            "password: \"a\\nb\"".into(),
            "the password of \"core\" cannot be typed in",
        ),
        (
            "password: RANDOM".into(),
            "no random password is made for \"core\"",
        ),
        (
            "chpasswd: {list: 'a:R'}".into(),
            "no random password is made for \"a\"",
        ),
        (
            "chpasswd: {list: 'a:RANDOM'}".into(),
            "no random password is made for \"a\"",
        ),
        (
            "chpasswd: {users: [{name: a, type: RANDOM}]}".into(),
            "no random password is made for \"a\"",
        ),
        (
            "chpasswd: {users: [{name: a}]}".into(),
            "no random password is made for \"a\"",
        ),
        (
            "chpasswd: {list: 'hunter2'}".into(),
            "an entry of chpasswd has no colon",
        ),
    ] {
        let (hashes, said) = read(&text);
        assert!(hashes.is_empty(), "{text}");
        assert!(said.contains(&format!("error: {expected}")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
