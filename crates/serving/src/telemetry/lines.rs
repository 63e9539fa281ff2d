//! Lines of the log: each that is said within a call has the id of its trace.
//!
//! A span that notes a field `trace_id` gives it to all that is said within it. In text it is seen in the span; lines of JSON
//! have it at their top, where a search for it finds it.

use std::fmt;

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::Context,
    registry::LookupSpan,
};

/// The field that names a trace.
const TRACE_ID: &str = "trace_id";

/// Keeps the ids that spans note.
pub(super) struct Ids;

/// What a span noted.
struct Noted(String);

/// Looks for the field.
#[derive(Default)]
struct Look(Option<String>);

impl Visit for Look {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == TRACE_ID {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == TRACE_ID {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Ids {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut look = Look::default();
        attributes.record(&mut look);
        keep(look, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut look = Look::default();
        values.record(&mut look);
        keep(look, id, &context);
    }
}

fn keep<S: Subscriber + for<'span> LookupSpan<'span>>(look: Look, id: &Id, context: &Context<'_, S>) {
    if let (Some(trace_id), Some(span)) = (look.0, context.span(id)) {
        span.extensions_mut().replace(Noted(trace_id));
    }
}

/// Objects of JSON with the trace's id as their first field.
pub(super) struct WithTrace<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let noted = |span: tracing_subscriber::registry::SpanRef<'_, S>| {
            span.extensions().get::<Noted>().map(|Noted(id)| id.clone())
        };
        let trace_id = context.event_scope().and_then(|mut spans| spans.find_map(noted));
        let Some(trace_id) = trace_id else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"{TRACE_ID}\":\"{trace_id}\",{rest}"),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing::field;
    use tracing_subscriber::{Registry, fmt as lines, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<u8>>>);

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_json_have_the_id_of_the_innermost_trace() {
        let said = Said::default();
        let writer = said.clone();
        let layer = lines::layer().json().flatten_event(true).map_event_format(WithTrace);
        let subscriber = Registry::default().with(Ids).with(layer.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("outside");
            let call = tracing::info_span!("rpc", trace_id = field::Empty);
            call.record(TRACE_ID, "abc");
            let _in_call = call.enter();
            tracing::info!(n = 1, "in the call");
            let turn = tracing::info_span!("turn", trace_id = "def");
            tracing::info!(parent: &tracing::info_span!(parent: &turn, "deep"), "in the turn");
        });
        let text = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("{\"timestamp\":"), "{text}");
        assert!(lines[1].starts_with("{\"trace_id\":\"abc\",\"timestamp\":"), "{text}");
        assert!(lines[2].starts_with("{\"trace_id\":\"def\",\"timestamp\":"), "{text}");
    }
}
