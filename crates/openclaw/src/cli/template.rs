//! `openclaw template`

use super::{CliError, Ui};
use crate::import::{Loss, translate_field, translate_file};
use clap::{Args, Subcommand};
use openclaw_delivery::template::{
    Rendering, SampleGroup, Source, Template, TemplateError, TemplateSet, sample_groups,
};
use std::io::Read as _;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 1 << 20;
/// Where links of the samples lead.
const EXTERNAL_URL: &str = "https://openclaw.example";

/// What to do with templates.
#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Renders a message template against sample groups
    Test(TestArgs),
}

/// Arguments of `openclaw template test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: openclaw template test messages.tmpl --text '{% include \"team.title\" %}'\n\nA file of `{% define \"name\" %} … {% enddefine %}` parts is rendered part by part, any other as one template."
)]
pub(crate) struct TestArgs {
    /// The template, or a file of named parts
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Render this text, which may use the file's parts, instead of each part
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// The file, and the text, are Alertmanager's Go templates: translate them
    /// first and show the translation
    #[arg(long)]
    go: bool,
}

pub(super) fn run(command: TemplateCommand, ui: &mut Ui) -> Result<(), CliError> {
    match command {
        TemplateCommand::Test(args) => test(&args, ui),
    }
}

fn test(args: &TestArgs, ui: &mut Ui) -> Result<(), CliError> {
    let place = args.file.display().to_string();
    let original = read(&args.file)?;
    let has_parts = args.text.is_some() || has_defines(&original, args.go);
    let (file, field) =
        if has_parts { (original, args.text.clone()) } else { (String::new(), Some(original)) };
    let (file, field) =
        if args.go { translated(&file, field.as_deref(), &place, ui)? } else { (file, field) };
    let set = TemplateSet::new(&[Source { name: place.clone(), text: file }])
        .map_err(|errors| CliError::Templates { errors })?;
    let in_place = |error: TemplateError| {
        let place = if has_parts { "--text".to_owned() } else { place.clone() };
        CliError::Templates { errors: vec![TemplateError { place, ..error }] }
    };
    let templates = match field {
        Some(text) => vec![(String::new(), set.template(&text).map_err(in_place)?)],
        None => set
            .names()
            .map(|name| Ok((name.to_owned(), set.part(name)?)))
            .collect::<Result<_, _>>()
            .map_err(in_place)?,
    };
    render_all(&templates, ui)
}

fn has_defines(text: &str, go: bool) -> bool {
    let marks =
        if go { ["{{ define", "{{- define", "{{define"] } else { ["{% define", "{%- define", "{%define"] };
    marks.iter().any(|mark| text.contains(mark))
}

fn read(path: &Path) -> Result<String, CliError> {
    let failed = |source| CliError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let length = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(CliError::TooLong { path: path.to_owned(), most_bytes: FILE_BYTES_MAX });
    }
    Ok(text)
}

/// Both in our words; what is lost is told, and the rest still tried.
fn translated(
    file: &str,
    field: Option<&str>,
    place: &str,
    ui: &mut Ui,
) -> Result<(String, Option<String>), CliError> {
    let parts = translate_file(file, None);
    told(&parts.losses, place, ui)?;
    let field = match field.map(|field| translate_field(field, None)).transpose() {
        Ok(field) => field,
        Err(losses) => {
            let errors = losses.into_iter();
            let error =
                |loss: Loss| TemplateError { place: place.to_owned(), line: loss.line, detail: loss.reason };
            return Err(CliError::Templates { errors: errors.map(error).collect() });
        }
    };
    ui.line("--- translated")?;
    ui.line(format_args!("{}{}", parts.text, field.as_deref().unwrap_or_default()))?;
    Ok((parts.text, field))
}

fn told(losses: &[Loss], place: &str, ui: &mut Ui) -> Result<(), CliError> {
    losses.iter().try_for_each(|loss| ui.note(format_args!("{place}:{}: {}", loss.line, loss.reason)))
}

fn render_all(templates: &[(String, Template)], ui: &mut Ui) -> Result<(), CliError> {
    for group in sample_groups() {
        let rendering = Rendering::new(&group.notification, EXTERNAL_URL, group.notification.decided_at);
        for (name, template) in templates {
            render(name, template, &group, &rendering, ui)?;
        }
    }
    Ok(())
}

fn render(
    name: &str,
    template: &Template,
    group: &SampleGroup,
    rendering: &Rendering,
    ui: &mut Ui,
) -> Result<(), CliError> {
    let title = [group.name, name].join(" ");
    ui.line(format_args!("--- {}", title.trim_end()))?;
    let text = rendering.render(template).map_err(|error| CliError::Render {
        group: group.name,
        name: name.to_owned(),
        detail: error.to_string(),
    })?;
    ui.line(text)
}
