use super::*;

fn strings(line: &str) -> Vec<String> {
    line.split_whitespace().map(Into::into).collect()
}

fn value(text: &str) -> Result<String, String> {
    match evaluate(text, &strings("was here")) {
        Ok(Value::Known(words)) => Ok(words.join(" ")),
        Ok(Value::Unknown(why)) => Err(format!("unknown: {why}")),
        Err(why) => Err(why),
    }
}

#[test]
fn assignments_are_evaluated_in_order() {
    for (text, expected) in [
        ("", "was here"),
        ("set oem_id=ec2\n", "was here"),
        ("set linux_append=\"a b\"\n", "a b"),
        ("set linux_append='a b'", "a b"),
        ("set linux_append=a", "a"),
        ("linux_append=a", "a"),
        ("set \"linux_append=a  b\"", "a b"),
        ("set linux_append=\"$linux_append c\"\n", "was here c"),
        ("set linux_append=\"${linux_append} c\"\n", "was here c"),
        (
            "set linux_append=\"a\"\nset linux_append=\"$linux_append b\"",
            "a b",
        ),
        ("set linux_append=a; set linux_append=$linux_append", "a"),
        ("set linux_append=a # set linux_append=b\n", "a"),
        ("# set linux_append=b\r\nset linux_append=\"a\"\r\n", "a"),
        ("set linux_append=a#b", "a#b"),
        (
            "set linux_append=\"a\\\"b \\$c \\\\d \\e\"",
            "a\"b $c \\d \\e",
        ),
        ("set linux_append='a\"b $c'", "a\"b $c"),
        ("set linux_append=a\\ b", "a b"),
        ("set linux_append=\"a \\\nb\"", "a b"),
        ("set \\\n  linux_append=a", "a"),
        ("set linux_append=\"it's\"", "it's"),
        ("unset linux_append", ""),
        ("set linux_append=", ""),
        (
            "export linux_append\necho $linux_append \"linux_append=x\"",
            "was here",
        ),
        ("set linux_append2=a\nset my_linux_append=b", "unknown"),
        (
            "if [ \"$grub_platform\" = pc ]; then\n\tset linux_console=\"a\"\nelse\n\tset linux_console=b\nfi\nset linux_append=c",
            "c",
        ),
        (
            "menuentry \"x\" --id=y {\n linux /vmlinuz $linux_append\n}\n",
            "was here",
        ),
        (
            "if true; then set linux_append=a; fi\nset linux_append=b",
            "b",
        ),
        (
            "while false; do echo x; done; for i in 1 2; do echo $i; done",
            "was here",
        ),
    ] {
        let found = value(text);
        match expected {
            "unknown" => assert!(found.is_err(), "{text:?}: {found:?}"),
            _ => assert_eq!(found.as_deref(), Ok(expected), "{text:?}"),
        }
    }
}

#[test]
fn what_only_grub_could_tell_is_unknown_and_what_it_cannot_read_is_an_error() {
    for (text, expected) in [
        (
            "if true; then\nset linux_append=a\nfi",
            "unknown: line 2 may or may not set linux_append",
        ),
        (
            "function f { linux_append=a; }\nf",
            "unknown: line 1 may or may not",
        ),
        (
            "\nset linux_append=\"$x a\"",
            "unknown: line 2 sets linux_append from $x",
        ),
        (
            "set linux_append=$linux_append",
            "unknown: line 1 sets linux_append to a variable without",
        ),
        ("source /more.cfg", "unknown: line 1 runs source"),
        ("load_env", "unknown: line 1 runs load_env"),
        (
            "for linux_append in a b; do echo; done",
            "unknown: line 1 may set linux_append",
        ),
        ("read linux_append", "unknown: line 1 may set linux_append"),
        (
            "regexp --set linux_append a b",
            "unknown: line 1 may set linux_append",
        ),
        (
            "set linux_append='a\nb'",
            "unknown: line 2 sets linux_append to something with a line break",
        ),
        (
            "set x=1\nset y=\"never\nclosed",
            "the quotation mark in line 2 is not closed",
        ),
        ("echo ${x\n}", "the \"${\" in line 1 is not closed"),
        ("\necho \"${\"", "the \"${\" in line 2 is not closed"),
        ("echo it's", "the quotation mark in line 1 is not closed"),
        (
            "echo \\",
            "line 1 goes on after a backslash, but is the last",
        ),
        (
            "echo \\\n",
            "line 1 goes on after a backslash, but is the last",
        ),
        (
            "echo \\\r\n",
            "line 1 goes on after a backslash, but is the last",
        ),
        ("if true; then", "an \"if\", a loop or a \"{\" does not end"),
        ("menuentry x {", "an \"if\", a loop or a \"{\" does not end"),
        ("}", "line 1 ends something that did not begin"),
        ("fi", "line 1 ends something that did not begin"),
    ] {
        let found = value(text).unwrap_err();
        assert!(found.starts_with(expected), "{text:?}: {found}");
    }
}

#[test]
fn the_block_is_replaced_and_the_rest_is_kept() {
    let block = |statement: &str| with_block("", statement).unwrap();
    for (before, foreign) in [
        (String::new(), ""),
        ("a\n".into(), "a\n"),
        ("a\r\n".into(), "a\r\n"),
        ("a".into(), "a\n"),
        (format!("a\n{}", block("old")), "a\n"),
        (format!("a\n{}b", block("old")), "a\nb\n"),
        (format!("{}{}", block("old"), block("older")), ""),
        // A person may have changed line ends or the words of the first line.
        (
            "a\r\n# BEGIN pilotlight\r\nold\r\n# END pilotlight\r\nb\r\n".into(),
            "a\r\nb\r\n",
        ),
        ("# END pilotlight\n".into(), "# END pilotlight\n"),
    ] {
        let after = with_block(&before, "new").unwrap();
        assert_eq!(after, format!("{foreign}{}", block("new")), "{before:?}");
        assert_eq!(with_block(&after, "new").unwrap(), after);
        assert_eq!(with_block(&after, "").unwrap(), foreign);
    }
    let error = with_block("\n# BEGIN pilotlight\nset x=1\n", "new").unwrap_err();
    assert!(error.starts_with("in line 2 a block of pilotlight begins"));
    assert!(with_block(&format!("# BEGIN pilotlight\n{}", block("a")), "new").is_err());
}

#[test]
fn no_argument_gets_out_of_the_string() {
    let hostile = strings("a\"; b $c ${d} \\ \\\" e\\ `f` (g) ;h {i} #j 'k' * ?");
    for append in [true, false] {
        let text = statement(append, &hostile);
        let before: &[String] = if append { &["x".into()] } else { &[] };
        let expected = [before, &hostile].concat();
        let found = evaluate(&text, &["x".into()]).unwrap();
        assert_eq!(found, Value::Known(expected), "{text}");
    }
    assert_eq!(statement(true, &[]), "");
    assert_eq!(statement(false, &[]), "set linux_append=\"\"");
}

#[test]
fn words_that_grub_would_change_are_named() {
    for (word, expected) in [
        ("systemd.unified_cgroup_hierarchy=0", None),
        ("a=$b{c}[d]*?;#~!", None),
        ("a=x y", Some("a blank")),
        ("a=\"b\"c", Some("a quotation mark")),
        ("a='b'", Some("a quotation mark")),
        ("a\\b", Some("a backslash")),
        ("a=\u{e4}", Some("a character that is not printable ASCII")),
        ("a\tb", Some("a character that is not printable ASCII")),
    ] {
        assert_eq!(unspeakable(word), expected, "{word:?}");
    }
}
