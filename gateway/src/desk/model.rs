//! What the language model tells of itself: how a dialogue reads to it.
//!
//! It is asked at the first turn, then every minute. While the service is down, what it told last holds; a turn that needs it
//! fails by itself then.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fondue_proto::language::{DescribeRequest, DialogueTemplate, language_client::LanguageClient};
use fondue_serving::upstream::Channel;
use tokio::time::Instant;

use crate::{
    config::{Template, TemplateSettings},
    turn::clock,
};

/// How long what was told is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Time for asking; a turn does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The language model's own word.
#[derive(Debug)]
pub struct Model {
    language: LanguageClient<Channel>,
    settings: TemplateSettings,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    template: Arc<Template>,
    since: Option<Instant>,
}

impl Model {
    /// Nothing is asked yet; `settings` win over what the model will tell.
    pub fn new(language: LanguageClient<Channel>, settings: TemplateSettings) -> Self {
        let template = Arc::new(settings.over(Template::default()));
        Self { language, settings, told: Mutex::new(Told { template, since: None }) }
    }

    /// How a dialogue reads to the model: the operator's word over the model's over the usual.
    pub async fn template(&self, deadline: Instant) -> Arc<Template> {
        {
            let told = self.told();
            if told.since.is_some_and(|since| since.elapsed() < BELIEVED) {
                return told.template.clone();
            }
        }
        let deadline = deadline.min(Instant::now() + PATIENCE);
        let described =
            clock::call(("language", "Describe"), deadline, DescribeRequest {}, async |request| {
                self.language.clone().describe(request).await
            });
        match described.await {
            Ok(described) => {
                let template = described.template.map_or_else(Template::default, own);
                let template = Arc::new(self.settings.over(template));
                *self.told() = Told { template: template.clone(), since: Some(Instant::now()) };
                template
            }
            Err(failure) => {
                tracing::debug!(%failure, "the model is not asked for its template");
                self.told().template.clone()
            }
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Whole after every statement.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own(template: DialogueTemplate) -> Template {
    let DialogueTemplate { question_prefix, answer_prefix, turn_separator } = template;
    Template { question_prefix, answer_prefix, turn_separator }
}
