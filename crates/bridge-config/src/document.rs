//! One HOCON file with what it includes, before substitutions are resolved.
//!
//! Works on the syntax tree of the parser crate, whose version is pinned for that: its resolver
//! forgets earlier values of a key that has unset `${?VARIABLE}` over them twice
//! (`a = 1, a = ${?X}, a = ${?Y}`), or is referred to further up. Such fields say nothing at all
//! (HOCON specification, "Substitutions"), so they are taken out before it sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hocon::HoconError;
use hocon::lexer::tokenize;
use hocon::parser::{AstField, AstNode, parse_tokens};
use hocon::resolver::{InternalResolveOptions, ResObj, build_tree};

use crate::error::ConfigError;
use crate::layers::syntax;
use crate::loader::read_file_if_present;

/// A HOCON text that was read.
pub(crate) struct HoconFile<'a> {
    /// As it is named in messages.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where its relative includes are looked for.
    pub(crate) directory: &'a Path,
}

impl HoconFile<'static> {
    /// A text that is in no file.
    pub(crate) fn embedded(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, directory: Path::new("/") }
    }
}

/// The syntax tree of a file, in which the included files at its top level are already.
pub(crate) struct Document {
    name: String,
    directory: PathBuf,
    fields: Vec<AstField>,
}

impl Document {
    /// Reads the included files as well.
    pub(crate) fn parse(file: HoconFile<'_>) -> Result<Self, ConfigError> {
        let fields = parse_fields(&file, 0)?;
        Ok(Self { name: file.name, directory: file.directory.to_owned(), fields })
    }

    /// The tree that the resolver works on.
    pub(crate) fn into_tree(
        mut self,
        environment: &BTreeMap<String, String>,
    ) -> Result<ResObj, ConfigError> {
        let heads = self.fields.iter().filter_map(|field| field.key.first());
        let mut defined: BTreeSet<String> = heads.cloned().collect();
        defined.extend(ROOTS.iter().map(|&root| root.to_owned()));
        defined.extend(environment.keys().cloned());
        drop_unset(&mut self.fields, &defined);

        let pos = hocon::parser::Pos { line: 1, col: 1 };
        let root = AstNode::Object { fields: self.fields, pos };
        let options = InternalResolveOptions::new(environment.clone().into_iter().collect());
        build_tree(root, &options.with_base_dir(self.directory))
            .map_err(|error| syntax(&self.name, &HoconError::Resolve(error)))
    }
}

/// `depth` is the number of files that include this one.
fn parse_fields(file: &HoconFile<'_>, depth: usize) -> Result<Vec<AstField>, ConfigError> {
    let refused = |error| syntax(&file.name, &HoconError::Parse(error));
    let tokens = tokenize(&file.text).map_err(refused)?;
    let root = parse_tokens(&tokens).map_err(refused)?;
    let AstNode::Object { fields, .. } = root else {
        return Err(at(file, 1, 1, "the file is a list, not a section"));
    };
    let mut spliced = Vec::with_capacity(fields.len());
    for field in fields {
        let included = match included_path(file, &field) {
            Some(path) => read_file_if_present(&path)?.map(|text| (path, text)),
            None => None,
        };
        let Some((path, text)) = included else {
            // Missing files, other formats and includes further down are the parser's.
            spliced.push(field);
            continue;
        };
        if depth == MAX_INCLUDE_DEPTH {
            let AstField { pos, .. } = field;
            return Err(at(file, pos.line, pos.col, "includes are nested too deep"));
        }
        let name = path.display().to_string();
        let directory = path.parent().unwrap_or(file.directory);
        spliced.extend(parse_fields(&HoconFile { name, text, directory }, depth + 1)?);
    }
    Ok(spliced)
}

/// The HOCON file that `field`, if it is an include, names; relative to the including file.
fn included_path(file: &HoconFile<'_>, field: &AstField) -> Option<PathBuf> {
    match &field.value {
        AstNode::Include { path, is_file: false, .. } if field.key.is_empty() => {
            let conf = path.ends_with(".conf") || path.ends_with(".hocon");
            conf.then(|| file.directory.join(path))
        }
        _ => None,
    }
}

/// Takes out every field that is nothing but an optional substitution of a name that neither the
/// environment nor the top of the configuration has. Bounded by the parser's limit of nesting.
fn drop_unset(fields: &mut Vec<AstField>, defined: &BTreeSet<String>) {
    fields.retain(|field| match &field.value {
        AstNode::Substitution { segments, optional: true, list_suffix: false, .. } => {
            field.append || segments.first().is_none_or(|head| defined.contains(&head.text))
        }
        _ => true,
    });
    for field in fields {
        if let AstNode::Object { fields, .. } = &mut field.value {
            drop_unset(fields, defined);
        }
    }
}

fn at(file: &HoconFile<'_>, line: usize, column: usize, reason: &str) -> ConfigError {
    ConfigError::Syntax { file: file.name.clone(), line, column, reason: reason.to_owned() }
}

/// More is a file that includes itself.
const MAX_INCLUDE_DEPTH: usize = 16;

/// The names at the top of a configuration.
const ROOTS: &[&str] = &["videobridge", "ice4j", "jmt", "tracing", "org"];
