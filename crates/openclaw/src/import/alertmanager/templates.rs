//! Files of message templates: found, translated, and written into the
//! tenant's file.

use super::convert::Converter;
use super::out::{Line, Out};
use super::source::{get, items, refused};
use super::verify::shown;
use crate::config::{Entry, Place};
use crate::import::template::translate_file;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

const FILES_MAX: usize = 256;
const BYTES_MAX: u64 = 1 << 20;

impl Converter<'_> {
    /// The named parts of all files: fields may stand before `templates`, and
    /// files may show each other's.
    pub(super) fn find_parts(&mut self) {
        let patterns = get(&self.source.root, "templates").map(items).unwrap_or_default();
        for pattern in patterns.iter().filter_map(|item| self.source.text(item)) {
            for text in matching(self.folder, &pattern).iter().filter_map(|file| read_bounded(file).ok()) {
                self.parts.add(&text);
            }
        }
    }

    pub(super) fn templates(&mut self, entry: &Entry) -> Vec<Line> {
        let (mut list, mut seen) = (Vec::new(), HashSet::new());
        for item in items(&entry.node) {
            let pattern = self.source.text(item).unwrap_or_default();
            let files = matching(self.folder, &pattern);
            if files.is_empty() {
                let what = format!("`{}` is left out", shown(&pattern));
                self.remark(
                    &item.place,
                    what,
                    "no file has such a name",
                    "copy the files beside this one, and import again",
                );
                list.push(Line::Comment(format!("left out: no file is called {}", shown(&pattern))));
            }
            // Two patterns may name the same file.
            for file in files.into_iter().filter(|file| seen.insert(file.clone())) {
                list.extend(self.template_file(&file, &item.place));
            }
        }
        if list.iter().any(|line| matches!(line, Line::Item(_))) {
            return vec![Line::Pair("templates".to_owned(), Out::Block(list))];
        }
        list
    }

    fn template_file(&mut self, file: &Path, pattern: &Place) -> Vec<Line> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = match read_bounded(file) {
            Ok(text) => text,
            Err(error) => {
                let what = format!("`{}` is left out", shown(&name));
                self.remark(
                    pattern,
                    what,
                    &format!("it can't be read: {error}"),
                    "make it readable, and import again",
                );
                return vec![Line::Comment(format!("left out: {} can't be read", shown(&name)))];
            }
        };
        let translated = translate_file(&text, Some(&self.parts));
        if let (true, [loss]) = (is_unread(&translated.text), translated.losses.as_slice()) {
            let place = Place::Line { file: file.into(), line: loss.line as u64, column: 1 };
            self.refusals.push(refused(&place, format!("not a template: {}", loss.reason)));
            return Vec::new();
        }
        for loss in translated.losses {
            let place = Place::Line { file: file.into(), line: loss.line as u64, column: 1 };
            let why = loss.reason;
            self.remark(&place, "a template is left out", &why, "write it anew as a Jinja template");
        }
        let pairs = vec![
            Line::Pair("name".to_owned(), Out::Text(name)),
            Line::Pair("text".to_owned(), Out::Text(translated.text)),
        ];
        vec![Line::Item(Out::Block(pairs))]
    }
}

/// A file that is no template at all comes back as one comment.
fn is_unread(translated: &str) -> bool {
    translated.starts_with("{#")
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if length as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(text)
}

/// The files that a pattern such as `templates/*.tmpl` names, in order.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_owned() }];
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        found = found
            .iter()
            .flat_map(|folder| step(folder, part))
            .filter(|path| is_last || path.is_dir())
            .collect();
        found.truncate(FILES_MAX);
    }
    found.retain(|path| path.is_file());
    found
}

fn step(folder: &Path, part: &str) -> Vec<PathBuf> {
    if !part.contains(['*', '?', '[', '\\']) {
        return vec![folder.join(part)];
    }
    let pattern: Vec<char> = part.chars().collect();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| is_match(&pattern, &name.chars().collect::<Vec<_>>())).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Go's patterns of file names: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`.
pub(super) fn is_match(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => {
            let rest = &rest[rest.iter().take_while(|char| **char == '*').count()..];
            (0..=name.len()).any(|skipped| is_match(rest, &name[skipped..]))
        }
        ['?', rest @ ..] => !name.is_empty() && is_match(rest, &name[1..]),
        ['[', rest @ ..] => {
            let Some(end) = rest.iter().skip(1).position(|char| *char == ']').map(|end| end + 1) else {
                return false;
            };
            let Some((first, left)) = name.split_first() else { return false };
            in_class(&rest[..end], *first) && is_match(&rest[end + 1..], left)
        }
        ['\\', escaped, rest @ ..] | [escaped, rest @ ..] => {
            name.first() == Some(escaped) && is_match(rest, &name[1..])
        }
    }
}

fn in_class(class: &[char], char: char) -> bool {
    let (is_negated, class) = match class {
        ['^', rest @ ..] => (true, rest),
        class => (false, class),
    };
    let mut holds = false;
    let mut rest = class;
    while let [first, after @ ..] = rest {
        rest = match after {
            ['-', last, after @ ..] => {
                holds |= (*first..=*last).contains(&char);
                after
            }
            after => {
                holds |= *first == char;
                after
            }
        };
    }
    holds != is_negated
}
