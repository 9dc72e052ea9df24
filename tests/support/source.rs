//! Rust's source as text, for the test of the floors: what is code, what is for tests, which paths
//! are named.
//!
//! No parser: comments, and the inside of strings and characters, are blanked, and the rest is cut
//! into words and punctuation. That is enough for the paths in `use a::{b, c::d}` and in
//! expressions, for `self` and `super`, and for items under `#[cfg(test)]`. What a macro would make
//! of its input is not seen.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file of the source.
pub struct Source {
    /// From the root of the workspace.
    pub path: String,
    /// Its module, outermost first; a crate's root is `lib` or `main`.
    module: Vec<String>,
    pub text: String,
    /// The text with comments and what strings hold blanked, byte for byte as long.
    code: String,
    /// Where code for tests stands.
    tests: Vec<Range<usize>>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
        let module = inside.trim_end_matches(".rs").split('/').map(str::to_owned);
        let mut module: Vec<_> = module.collect();
        module.pop_if(|last| last == "mod");
        let code = blank_text(text);
        let tests = test_items(&code);
        Source { path: path.to_owned(), module, text: text.to_owned(), code, tests }
    }

    /// The outermost module.
    pub fn floor(&self) -> &str {
        &self.module[0]
    }

    /// Whether what stands at byte `at` is for tests.
    pub fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Words of the code that is not for tests: (where, word).
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let words = self.tokens().into_iter().filter(|(at, _)| !self.is_test(*at));
        words.filter(|(_, word)| word.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    }

    /// Words, `::`, and every other character of the code that is no space, each with its place.
    pub fn tokens(&self) -> Vec<(usize, &str)> {
        tokens(&self.code)
    }

    /// Every path of two parts or more that the code names, as in `["crate", "io", "Disk"]`, each
    /// with its place: groups are taken apart, `self` and `super` resolved.
    pub fn named_paths(&self) -> Vec<(usize, Vec<String>)> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        let (mut depth, mut inline) = (0, Vec::<(usize, &str)>::new());
        for (i, (at, token)) in tokens.iter().enumerate() {
            match *token {
                "{" => {
                    depth += 1;
                    if let [.., (_, "mod"), (_, name)] = tokens[..i] {
                        inline.push((depth, name));
                    }
                }
                "}" => {
                    inline.pop_if(|(opened, _)| *opened == depth);
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            let begins = i == 0 || tokens[i - 1].1 != "::";
            if begins
                && is_word(token.as_bytes()[0])
                && tokens.get(i + 1).is_some_and(|t| t.1 == "::")
            {
                let mut path = Vec::new();
                read_path(&tokens, i, &mut path, &mut |path| {
                    let here = self.module.iter().map(String::as_str);
                    let here = here.chain(inline.iter().map(|(_, name)| *name)).collect();
                    found.push((*at, resolve(path, here)));
                });
            }
        }
        found
    }

    /// A line for people: file, line, and what is wrong.
    pub fn complain(&self, at: usize, what: &str) -> String {
        let line = 1 + self.text[..at].matches('\n').count();
        format!("{}:{line}: {what}", self.path)
    }
}

/// All files below `folder`, each marked whole where it is a module for tests alone.
pub fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join(folder), &mut files);
    files.sort();
    let mut sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root).expect("found below the root");
            let text = fs::read_to_string(file).expect("the source is readable");
            Source::new(path.to_str().expect("the source's names are UTF-8"), &text)
        })
        .collect();
    let for_tests: Vec<Vec<String>> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        if for_tests.iter().any(|module| source.module.starts_with(module)) {
            source.tests.push(0..source.text.len());
        }
    }
    assert!(!sources.is_empty(), "no source in {folder}");
    sources
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source's folders can be listed") {
        let path = entry.expect("the source's folders can be listed").path();
        match path.extension() {
            _ if path.is_dir() => rust_files(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// The modules in files of their own that `source` declares under `#[cfg(test)]`.
fn test_modules(source: &Source) -> Vec<Vec<String>> {
    let tokens = source.tokens();
    let declared = tokens.windows(3).filter_map(|w| match w {
        [(at, "mod"), (_, name), (_, ";")] if source.is_test(*at) => Some(*name),
        _ => None,
    });
    let parent = if source.module == ["lib"] { &[] } else { &source.module[..] };
    declared.map(|name| [parent, &[name.to_owned()]].concat()).collect()
}

/// Blanks comments, and the inside of strings and characters.
fn blank_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (start, end, next) = match &bytes[at..] {
            [b'/', b'/', ..] => {
                let end = text[at..].find('\n').map_or(text.len(), |len| at + len);
                (at, end, end)
            }
            [b'/', b'*', ..] => {
                let end = end_of_comment(bytes, at);
                (at, end, end)
            }
            [b'r', b'"' | b'#', ..]
                if at == 0 || !is_word(bytes[at - 1]) || bytes[at - 1] == b'b' =>
            {
                let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
                if bytes.get(at + 1 + hashes) != Some(&b'"') {
                    at += 1; // A raw identifier.
                    continue;
                }
                let start = at + hashes + 2;
                let close = format!("\"{}", "#".repeat(hashes));
                let end = text[start..].find(&close).map_or(text.len(), |len| start + len);
                (start, end, end + close.len())
            }
            [b'"', ..] => {
                let end = end_of_quoted(bytes, at);
                (at + 1, end, end + 1)
            }
            // A lifetime has no quote behind its first letter.
            [b'\'', b'\\', ..] => {
                let end = end_of_quoted(bytes, at);
                (at + 1, end, end + 1)
            }
            [b'\'', ..] => {
                let len = text[at + 1..].chars().next().map_or(1, char::len_utf8);
                let end = at + 1 + len;
                if bytes.get(end) != Some(&b'\'') {
                    at += 1;
                    continue;
                }
                (at + 1, end, end + 1)
            }
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.min(out.len());
        out[start..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at = next;
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

/// The end of a block comment; they nest.
fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where the quote that closes the one at `start` stands.
fn end_of_quoted(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != bytes[start] {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Words, `::`, and every other character that is not a space, each with its place.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let bytes = code.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = match &bytes[at..] {
            [b':', b':', ..] => 2,
            [first, ..] if is_word(*first) => {
                bytes[at..].iter().take_while(|b| is_word(**b)).count()
            }
            _ => 1,
        };
        if !bytes[at].is_ascii_whitespace() {
            tokens.push((at, &code[at..at + len]));
        }
        at += len;
    }
    tokens
}

/// The items, statements and fields under `#[cfg(test)]`.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let tokens = tokens(code);
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let starts = (0..tokens.len()).filter(|&i| {
        let rest = &tokens[i..];
        rest.len() > attribute.len() && attribute.iter().zip(rest).all(|(a, (_, t))| a == t)
    });
    let items = starts.map(|i| {
        let end = i + attribute.len() + end_of_item(&tokens[i + attribute.len()..]);
        tokens[i].0..tokens.get(end).map_or(code.len(), |(at, _)| *at)
    });
    items.collect()
}

/// How many tokens the item has: up to its `;`, the `}` of its body, or a field's comma.
fn end_of_item(tokens: &[(usize, &str)]) -> usize {
    let keywords =
        ["mod", "fn", "impl", "struct", "enum", "trait", "use", "const", "static", "let"];
    let (mut depth, mut is_field) = (0, true);
    for (i, (_, token)) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            word if depth == 0 && keywords.contains(&word) => is_field = false,
            _ => {}
        }
        let ends = match *token {
            ";" | "}" => depth == 0,
            "," => depth == 0 && is_field,
            _ => false,
        };
        // Below zero, the field was the last and had no comma.
        if ends || depth < 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// Reads the path at `i`, calls `found` with it, or with each path of its group, and returns the
/// place behind it.
fn read_path<'a>(
    tokens: &[(usize, &'a str)],
    mut i: usize,
    path: &mut Vec<&'a str>,
    found: &mut impl FnMut(&[&str]),
) -> usize {
    let parts = path.len();
    loop {
        match tokens.get(i) {
            Some((_, "{")) => {
                i += 1;
                while tokens.get(i).is_some_and(|(_, token)| *token != "}") {
                    let next = read_path(tokens, i, path, found);
                    // Commas, `*` and `as` with its name lie between the paths.
                    i = if next == i { i + 1 } else { next };
                }
                path.truncate(parts);
                return i + 1;
            }
            Some((_, word)) if is_word(word.as_bytes()[0]) => path.push(word),
            _ => break,
        }
        i += 1;
        match tokens.get(i) {
            Some((_, "::")) => i += 1,
            _ => break,
        }
    }
    if path.len() > parts {
        found(path);
    }
    path.truncate(parts);
    i
}

/// The path with `self` and `super` replaced by what they mean in module `here`.
fn resolve(path: &[&str], mut here: Vec<&str>) -> Vec<String> {
    let ups = path.iter().take_while(|part| ["self", "super"].contains(part)).count();
    if ups == 0 {
        return path.iter().map(|part| (*part).to_owned()).collect();
    }
    let supers = path[..ups].iter().filter(|part| **part == "super").count();
    here.truncate(here.len().saturating_sub(supers));
    let parts = ["crate"].into_iter().chain(here).chain(path[ups..].iter().copied());
    parts.map(str::to_owned).collect()
}
