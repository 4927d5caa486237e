//! The OEM partition's grub.cfg as text: our block in it, and what the rest does to `linux_append`.
//!
//! GRUB's script language is that of the GRUB manual, chapter 4 "Writing full configuration files
//! directly": words with quotation marks as in a shell, statements that end with a line or `;`.

use crate::cmdline;

/// First line of our block; what follows on the line is for people.
const BEGIN: &str = "# BEGIN pilotlight";
/// Last line of our block.
const END: &str = "# END pilotlight";
/// The variable that GRUB adds to the kernel command line.
const VARIABLE: &str = "linux_append";
/// Commands after which a variable may have any value.
const ELSEWHERE: &[&str] = &[
    "source",
    ".",
    "configfile",
    "normal",
    "load_env",
    "eval",
    "legacy_source",
];

/// Splits a text into what others wrote and the lines of our block.
///
/// Errors: a block without its last line, because then nobody can tell what is ours.
pub fn split(text: &str) -> Result<(String, String), String> {
    let (mut foreign, mut block) = (String::new(), String::new());
    let mut begun = None;
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        match (begun, line.starts_with(BEGIN), line.starts_with(END)) {
            (None, true, _) => begun = Some(number),
            (None, false, _) => foreign.push_str(line),
            (Some(_), false, true) => begun = None,
            (Some(_), false, false) => block.push_str(line),
            (Some(_), true, _) => break,
        }
    }
    match begun {
        None => Ok((foreign, block)),
        Some(number) => Err(format!(
            "in line {number} a block of pilotlight begins that does not end with a line \"{END}\""
        )),
    }
}

/// The text with our block at its end, after all that could set the variable; an earlier block is
/// gone, and so is the block if the statement is empty. The rest is kept byte for byte.
pub fn with_block(text: &str, statement: &str) -> Result<String, String> {
    let (mut text, _) = split(text)?;
    if !statement.is_empty() {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!(
            "{BEGIN}: kernel arguments of the config, made anew by every first boot\n{statement}\n{END}\n"
        ));
    }
    Ok(text)
}

/// The statement that sets the variable, to its own value and more if `append`.
pub fn statement(append: bool, words: &[String]) -> String {
    let mut value = String::new();
    for c in words.join(" ").chars() {
        if matches!(c, '"' | '\\' | '$') {
            value.push('\\');
        }
        value.push(c);
    }
    let before = match (append, value.is_empty()) {
        (true, false) => "$linux_append ",
        (true, true) => return String::new(),
        (false, _) => "",
    };
    format!("set {VARIABLE}=\"{before}{value}\"")
}

/// Why a word cannot reach the kernel by way of the variable, if it cannot.
///
/// GRUB splits the variable at blanks, whatever marks are in it (script/execute.c, an unquoted variable),
/// and puts a backslash before marks and backslashes (lib/cmdline.c), which the kernel does not take away.
pub fn unspeakable(word: &str) -> Option<&'static str> {
    word.chars().find_map(|c| match c {
        ' ' => Some("a blank"),
        '"' | '\'' => Some("a quotation mark"),
        '\\' => Some("a backslash"),
        '!'..='~' => None,
        _ => Some("a character that is not printable ASCII"),
    })
}

/// The same of an entry of a config, which may hold several arguments.
pub fn unspeakable_entry(entry: &str) -> Option<&'static str> {
    cmdline::words(entry)
        .iter()
        .find_map(|word| unspeakable(word))
}

/// What a text leaves in the variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// These words.
    Known(Vec<String>),
    /// Only GRUB could tell; the text says why.
    Unknown(String),
}

/// Evaluates the assignments of a text in order, starting with a value.
///
/// Errors: what GRUB could not read, and after which our block would not be read as it is meant.
pub fn evaluate(text: &str, start: &[String]) -> Result<Value, String> {
    let mut run = Run {
        value: Ok(start.join(" ")),
        depth: 0,
    };
    let mut statement = Vec::new();
    for (line, token) in tokens(text)? {
        match token {
            Token::Word(word) => {
                statement.push(word);
                continue;
            }
            Token::End => run.statement(&statement, line),
            Token::Open => {
                run.statement(&statement, line);
                run.depth += 1;
            }
            Token::Close => {
                run.statement(&statement, line);
                run.depth -= 1;
            }
        }
        statement.clear();
        if run.depth < 0 {
            return Err(format!("line {line} ends something that did not begin"));
        }
    }
    if run.depth != 0 {
        return Err("an \"if\", a loop or a \"{\" does not end".into());
    }
    Ok(match run.value {
        Ok(value) => Value::Known(value.split_whitespace().map(Into::into).collect()),
        Err(why) => Value::Unknown(why),
    })
}

struct Run {
    value: Result<String, String>,
    depth: i32,
}

impl Run {
    fn statement(&mut self, words: &[Word], line: usize) {
        let mut words = words;
        let mut inside = self.depth > 0;
        // Reserved words may stand before a command.
        while let Some((first, rest)) = words.split_first() {
            match first.bare() {
                Some("if" | "while" | "until") => {
                    self.depth += 1;
                    inside = true;
                }
                Some("then" | "else" | "elif" | "do" | "!") => {}
                Some("fi" | "done") => self.depth -= 1,
                Some("for") => {
                    self.depth += 1;
                    break;
                }
                _ => break,
            }
            words = rest;
        }
        let Some((first, arguments)) = words.split_first() else {
            return;
        };
        let unclear = |what: &str| Err(format!("line {line} {what}"));
        let assigned = match (first.bare(), arguments) {
            (Some("set"), [argument, ..]) => argument.assigned(),
            (_, []) => first.assigned(),
            _ => None,
        };
        let new = match (first.bare(), assigned) {
            (_, Some(pieces)) => self.expand(pieces, line),
            (Some("unset"), None) if arguments.iter().any(Word::names_it) => Ok(String::new()),
            (Some("export" | "echo"), None) => return,
            (Some(command), None) if ELSEWHERE.contains(&command) => {
                unclear(&format!("runs {command}"))
            }
            _ if words.iter().any(Word::names_it) => unclear(&format!("may set {VARIABLE}")),
            _ => return,
        };
        self.value = if inside {
            unclear(&format!("may or may not set {VARIABLE}"))
        } else {
            new
        };
    }

    fn expand(&self, pieces: Vec<Piece>, line: usize) -> Result<String, String> {
        let unclear = |what: &str| Err(format!("line {line} sets {VARIABLE} {what}"));
        let mut value = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => value.push_str(&text),
                Piece::Variable { name, quoted } if name == VARIABLE => {
                    let current = self.value.clone()?;
                    if !quoted && current.contains(' ') {
                        return unclear("to a variable without quotation marks");
                    }
                    value.push_str(&current);
                }
                Piece::Variable { name, .. } => return unclear(&format!("from ${name}")),
            }
        }
        if value.contains(char::is_control) {
            return unclear("to something with a line break or another control character");
        }
        Ok(value)
    }
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable { name: String, quoted: bool },
}

#[derive(Debug, Clone, Default)]
struct Word {
    pieces: Vec<Piece>,
    /// Whether some of it is quoted; then it is no reserved word.
    marked: bool,
}

impl Word {
    fn push(&mut self, c: char) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.pieces.push(Piece::Text(c.into())),
        }
    }

    /// The word if it is plain text.
    fn bare(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text(text)] if !self.marked => Some(text),
            _ => None,
        }
    }

    /// The value, if the word is an assignment to the variable.
    fn assigned(&self) -> Option<Vec<Piece>> {
        let (first, rest) = self.pieces.split_first()?;
        let Piece::Text(text) = first else {
            return None;
        };
        let value = text.strip_prefix(VARIABLE)?.strip_prefix('=')?;
        Some([&[Piece::Text(value.into())], rest].concat())
    }

    fn names_it(&self) -> bool {
        let names = |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains(VARIABLE));
        self.pieces.iter().any(names)
    }
}

enum Token {
    Word(Word),
    Open,
    Close,
    /// The end of a statement.
    End,
}

/// Reads a text into words and ends of statements, each with the number of the line in which it ends.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let mut tokens = Vec::new();
    let mut word: Option<Word> = None;
    let mut number = 1;
    // GRUB passes over carriage returns wherever they are (normal/main.c, read_config_file_getline).
    let mut chars = text.chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => tokens.extend(word.take().map(|word| (number, Token::Word(word)))),
            '\n' | ';' | '{' | '}' | '|' | '&' | '<' | '>' => {
                tokens.extend(word.take().map(|word| (number, Token::Word(word))));
                let token = match c {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                };
                tokens.push((number, token));
                number += usize::from(c == '\n');
            }
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            '\\' => match chars.next() {
                // What we write after it would belong to the line.
                Some('\n') if chars.peek().is_some() => number += 1,
                None | Some('\n') => {
                    return Err(format!(
                        "line {number} goes on after a backslash, but is the last"
                    ));
                }
                Some(escaped) => {
                    let word = word.get_or_insert_default();
                    word.marked = true;
                    word.push(escaped);
                }
            },
            '\'' => {
                let begun = number;
                let word = word.get_or_insert_default();
                word.marked = true;
                loop {
                    match chars.next() {
                        None => return Err(unclosed(begun)),
                        Some('\'') => break,
                        Some(c) => {
                            number += usize::from(c == '\n');
                            word.push(c);
                        }
                    }
                }
            }
            '"' => {
                let begun = number;
                let word = word.get_or_insert_default();
                word.marked = true;
                loop {
                    match chars.next() {
                        None => return Err(unclosed(begun)),
                        Some('"') => break,
                        Some('$') => {
                            let name = variable(&mut chars).ok_or_else(|| braces(number))?;
                            word.pieces.push(Piece::Variable { name, quoted: true });
                        }
                        Some('\\') => match chars.next_if(|c| matches!(c, '"' | '\\' | '$' | '\n'))
                        {
                            Some('\n') => number += 1,
                            Some(escaped) => word.push(escaped),
                            None => word.push('\\'),
                        },
                        Some(c) => {
                            number += usize::from(c == '\n');
                            word.push(c);
                        }
                    }
                }
            }
            '$' => {
                let name = variable(&mut chars).ok_or_else(|| braces(number))?;
                let word = word.get_or_insert_default();
                word.pieces.push(Piece::Variable {
                    name,
                    quoted: false,
                });
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(|word| (number, Token::Word(word))));
    tokens.push((number, Token::End));
    Ok(tokens)
}

fn unclosed(line: usize) -> String {
    format!("the quotation mark in line {line} is not closed")
}

fn braces(line: usize) -> String {
    format!("the \"${{\" in line {line} is not closed")
}

/// The name after a `$`, with or without braces; `None` if there is no closing brace.
fn variable(chars: &mut std::iter::Peekable<impl Iterator<Item = char>>) -> Option<String> {
    let mut name = String::new();
    let braces = chars.next_if_eq(&'{').is_some();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if name.is_empty() {
        name.extend(chars.next_if(|c| matches!(c, '?' | '@' | '*' | '#')));
    }
    (!braces || chars.next_if_eq(&'}').is_some()).then_some(name)
}

#[cfg(test)]
#[path = "grub_tests.rs"]
mod tests;
