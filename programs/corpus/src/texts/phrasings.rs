//! How things are asked for and told, as templates.
//!
//! `{a}` is the thing with its article, `{name}` without, `{another}` is `another red apple`, `{is}`, `{this is}` and `{it is}` agree
//! in number, `{kind}` is what kind of thing it is with an article, `{word}` a keyword, `{words}` some, `{other}` another thing.
//! What begins with a capital is written with one.
//! An answer is one sentence: a reply ends after its first.

/// Something to say, and what is answered.
pub(crate) type Turn = (&'static str, &'static str);

/// A picture is asked for by name.
pub(crate) const ASK: &[Turn] = &[
    ("Show me {a}.", "Here {is} {a}. [RET]"),
    ("Show me a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Show me {name}.", "Here {is} {a}. [RET]"),
    ("Find {a}.", "Here {is} {a}. [RET]"),
    ("Find me a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Find a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Draw {a}.", "Here {is} {a}. [RET]"),
    ("Draw me {a}.", "Here {is} {a}. [RET]"),
    ("Give me a picture of {a}.", "Here {is} {a}. [RET]"),
    ("A picture of {a}, please.", "Here {is} {a}. [RET]"),
    ("{A}, please.", "Here {is} {a}. [RET]"),
    ("{name}", "Here {is} {a}. [RET]"),
    ("{a}", "Here {is} {a}. [RET]"),
    ("A drawing of {a}.", "Here {is} {a}. [RET]"),
    ("I want to see {a}.", "Here {is} {a}. [RET]"),
    ("I would like to see {a}.", "Here {is} {a}. [RET]"),
    ("I need a picture of {a}.", "Here {is} {a}. [RET]"),
    ("I am looking for {a}.", "Here {is} {a}. [RET]"),
    ("Let me see {a}.", "Here {is} {a}. [RET]"),
    ("What does {a} look like?", "Here {is} {a}. [RET]"),
    ("Can you show me {a}?", "Yes, here {is} {a}. [RET]"),
    ("Can you find {a}?", "Yes, here {is} {a}. [RET]"),
    ("Can you draw {a}?", "Yes, here {is} {a}. [RET]"),
    ("Could you show me {a}, please?", "Yes, here {is} {a}. [RET]"),
    ("Do you have a picture of {a}?", "Yes, here {is} {a}. [RET]"),
    ("Do you have {a}?", "Yes, here {is} {a}. [RET]"),
    ("Have you got a drawing of {a}?", "Yes, here {is} {a}. [RET]"),
    ("May I see {a}?", "Yes, here {is} {a}. [RET]"),
    ("Please show me {a}.", "Here {is} {a}. [RET]"),
    ("Please find {a}.", "Here {is} {a}. [RET]"),
    ("Please draw {a} for me.", "Here {is} {a}. [RET]"),
    ("I want {a}.", "Here {is} {a}. [RET]"),
    ("I want to look at {a}.", "Here {is} {a}. [RET]"),
    ("I wish to see {a}.", "Here {is} {a}. [RET]"),
    ("I would love a picture of {a}.", "Here {is} {a}. [RET]"),
    ("It would be nice to see {a}.", "Here {is} {a}. [RET]"),
    ("Bring me {a}.", "Here {is} {a}. [RET]"),
    ("Search for {a}.", "Here {is} {a}. [RET]"),
    ("Look up {a}.", "Here {is} {a}. [RET]"),
    ("Fetch {a} for me.", "Here {is} {a}. [RET]"),
    ("Pick a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Open a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Display {a}.", "Here {is} {a}. [RET]"),
    ("Send me {a}.", "Here {is} {a}. [RET]"),
    ("Give me {a}.", "Here {is} {a}. [RET]"),
    ("Hand me a drawing of {a}.", "Here {is} {a}. [RET]"),
    ("Let us see {a}.", "Here {is} {a}. [RET]"),
    ("Let me look at a picture of {a}.", "Here {is} {a}. [RET]"),
    ("Paint {a}.", "Here {is} {a}. [RET]"),
    ("Sketch {a} for me.", "Here {is} {a}. [RET]"),
    ("How about {a}?", "Here {is} {a}. [RET]"),
    ("Show {a} to me.", "Here {is} {a}. [RET]"),
    ("{A}, quickly.", "Here {is} {a}. [RET]"),
    ("Make me a picture that shows {a}.", "Here {is} {a}. [RET]"),
    ("A scene that shows {a}, please.", "Here {is} {a}. [RET]"),
    ("Could you find {a} for me?", "Yes, here {is} {a}. [RET]"),
    ("Could you draw {a}?", "Yes, here {is} {a}. [RET]"),
    ("Could you give me {a}?", "Yes, here {is} {a}. [RET]"),
    ("Would you show me {a}?", "Yes, here {is} {a}. [RET]"),
    ("Will you draw {a} for me?", "Yes, here {is} {a}. [RET]"),
    ("Are there drawings of {a}?", "Yes, here {is} {a}. [RET]"),
    ("Any pictures of {a}?", "Yes, here {is} {a}. [RET]"),
    ("Can I have {a}?", "Yes, here {is} {a}. [RET]"),
    ("Can I look at {a}?", "Yes, here {is} {a}. [RET]"),
    ("Is {a} among your pictures?", "Yes, here {is} {a}. [RET]"),
];

/// A picture is asked for by what kind of thing it should show.
pub(crate) const ASK_KIND: &[Turn] = &[
    ("Show me {kind}.", "Here {is} {a}. [RET]"),
    ("Find {kind}.", "Here {is} {a}. [RET]"),
    ("I would like to see {kind}.", "Here {is} {a}. [RET]"),
    ("Do you have a picture of {kind}?", "Yes, here {is} {a}. [RET]"),
    ("Can you show me {kind}?", "Yes, here {is} {a}. [RET]"),
];

/// A picture is asked for by a keyword.
pub(crate) const ASK_WORD: &[Turn] = &[
    ("Show me a picture for the word {word}.", "Here {is} {a}. [RET]"),
    ("Show me something about {word}.", "Here {is} {a}. [RET]"),
    ("Find a picture about {word}.", "Here {is} {a}. [RET]"),
    ("Which picture goes with {word}?", "Here {is} {a}. [RET]"),
    ("Do you have a picture for {word}?", "Yes, here {is} {a}. [RET]"),
];

/// What a thing is, where its meaning is known.
pub(crate) const WHAT: &[Turn] = &[
    ("What {is} {a}?", "{A} {is} {gloss}."),
    ("Tell me what {a} {is}.", "{A} {is} {gloss}."),
    ("Do you know what {a} {is}?", "Yes, {a} {is} {gloss}."),
    ("Explain {name} to me.", "{A} {is} {gloss}."),
    ("What does {name} mean?", "{A} {is} {gloss}."),
];

/// What a thing is, where all that is known is its kind and its keywords.
pub(crate) const WHAT_KIND: &[Turn] = &[
    ("What {is} {a}?", "{A} {is} {kind}, and goes with {words}."),
    ("Tell me about {a}.", "{A} {is} {kind}, and goes with {words}."),
    ("What does {name} mean?", "{A} {is} {kind}, and goes with {words}."),
    ("Which words go with {a}?", "Words for {a} are {words}."),
    ("What do you think of when you hear {name}?", "I think of {words}."),
];

/// Which kind a thing is of.
pub(crate) const KIND: &[Turn] = &[
    ("What kind of thing {is} {a}?", "{A} {is} {kind}."),
    ("Which group does {name} belong to?", "{A} {is} {kind}."),
    ("{Is} {a} {kind}?", "Yes, {a} {is} {kind}."),
    ("{Is} {a} {other kind}?", "No, {a} {is} {kind}."),
];

/// What cannot be told of a thing, and brings no picture.
pub(crate) const WONDER: &[Turn] = &[
    ("How big {is} {a}?", "I do not know that about {a}."),
    ("How old {is} {a}?", "I do not know that about {a}."),
    ("How long {is} {a}?", "I do not know that about {a}."),
    ("How much does {a} cost?", "I do not know that about {a}."),
    ("How fast {is} {a}?", "I do not know that about {a}."),
    ("How does {a} work?", "I do not know that about {a}."),
    ("How do you make {a}?", "I do not know that about {a}."),
    ("How do I use {a}?", "I do not know that about {a}."),
    ("How many {name} are there?", "I do not know that about {a}."),
    ("How do you say {name} in French?", "I do not know that about {a}."),
    ("How do you spell {name}?", "I do not know that about {a}."),
    ("Why {is} {a} so famous?", "I do not know that about {a}."),
    ("Why do we need {a}?", "I do not know that about {a}."),
    ("Why is it called {name}?", "I do not know that about {a}."),
    ("Why would anyone want {a}?", "I do not know that about {a}."),
    ("Why {is} {a} here?", "I do not know that about {a}."),
    ("Where can I buy {a}?", "I do not know that about {a}."),
    ("Where do you find {a} in the world?", "I do not know that about {a}."),
    ("Where {is} {a} made?", "I do not know that about {a}."),
    ("Where does {a} belong?", "I do not know that about {a}."),
    ("Where did {name} begin?", "I do not know that about {a}."),
    ("When {is} {a} used?", "I do not know that about {a}."),
    ("When was {a} invented?", "I do not know that about {a}."),
    ("When did you last think of {a}?", "I do not know that about {a}."),
    ("Who needs {a}?", "I do not know that about {a}."),
    ("Who invented {a}?", "I do not know that about {a}."),
    ("Who likes {a}?", "I do not know that about {a}."),
    ("Who has {a}?", "I do not know that about {a}."),
    ("Which is better, {a} or {other}?", "I do not know that about {a}."),
    ("Which is bigger, {a} or {other}?", "I do not know that about {a}."),
    ("Is {a} bigger than {other}?", "I do not know that about {a}."),
    ("Is {a} the same as {other}?", "I do not know that about {a}."),
    ("Is {a} dangerous?", "I do not know that about {a}."),
    ("Is {a} expensive?", "I do not know that about {a}."),
    ("Is {a} good for me?", "I do not know that about {a}."),
    ("Are there many kinds of {name}?", "I do not know that about {a}."),
    ("Can {a} be broken?", "I do not know that about {a}."),
    ("Can I eat {a}?", "I do not know that about {a}."),
    ("Can you hear {a}?", "I do not know that about {a}."),
    ("Should I buy {a}?", "I do not know that about {a}."),
    ("Should I be afraid of {a}?", "I do not know that about {a}."),
    ("Will {a} make me happy?", "I do not know that about {a}."),
    ("Does {a} smell?", "I do not know that about {a}."),
    ("Does {a} have a colour?", "I do not know that about {a}."),
    ("Do children like {a}?", "I do not know that about {a}."),
    ("Do you like {a}?", "I do not know that about {a}."),
    ("Do you have {a} at home?", "I do not know that about {a}."),
    ("Did you ever meet {a}?", "I do not know that about {a}."),
    ("What can I do with {a}?", "I do not know that about {a}."),
    ("What {is} {a} made of?", "I do not know that about {a}."),
    ("What {is} {a} used for?", "I do not know that about {a}."),
    ("What do people say about {a}?", "I do not know that about {a}."),
    ("What is the difference between {a} and {other}?", "I do not know that about {a}."),
    ("What is the opposite of {name}?", "I do not know that about {a}."),
    ("What rhymes with {name}?", "I do not know that about {a}."),
    ("What goes well with {a}?", "I do not know that about {a}."),
    ("What do you think about {a}?", "I do not know that about {a}."),
    ("What is the history of {a}?", "I do not know that about {a}."),
    ("Have you heard of {a}?", "I do not know that about {a}."),
    ("I do not like {a}.", "Tell me if you want a picture of {a}."),
    ("I love {a}.", "Tell me if you want a picture of {a}."),
    ("I saw {a} yesterday.", "Tell me if you want a picture of {a}."),
    ("My mother has {a}.", "Tell me if you want a picture of {a}."),
    ("My friend told me about {a}.", "Tell me if you want a picture of {a}."),
    ("I was thinking of {a}.", "Tell me if you want a picture of {a}."),
    ("I dreamt of {a}.", "Tell me if you want a picture of {a}."),
    ("I have never seen {a}.", "Tell me if you want a picture of {a}."),
    ("People talk a lot about {a}.", "Tell me if you want a picture of {a}."),
    ("The word {name} is new to me.", "Tell me if you want a picture of {a}."),
    ("{A} and {other} are not the same.", "Tell me if you want a picture of {a}."),
    ("There is too much talk of {name}.", "Tell me if you want a picture of {a}."),
    ("Compare {a} with {other}.", "I cannot do that, I only know pictures."),
    ("Write a sentence with the word {name}.", "I cannot do that, I only know pictures."),
    ("Write a poem about {a}.", "I cannot do that, I only know pictures."),
    ("Tell me a fact about {a}.", "I cannot do that, I only know pictures."),
    ("Tell me the price of {a}.", "I cannot do that, I only know pictures."),
    ("Say something nice about {a}.", "I cannot do that, I only know pictures."),
    ("Count to ten with {a}.", "I cannot do that, I only know pictures."),
];

/// After a picture that was asked for.
pub(crate) const THEN: &[Turn] = &[
    ("Another one like this.", "Here {is} {another}. [RET]"),
    ("Another one, please.", "Here {is} {another}. [RET]"),
    ("Show me another one.", "Here {is} {another}. [RET]"),
    ("One more.", "Here {is} {another}. [RET]"),
    ("Can you show me another?", "Yes, here {is} {another}. [RET]"),
    ("What is it?", "{It is} {kind}."),
    ("What kind of thing is it?", "{It is} {kind}."),
    ("What is it called?", "{It is} {a}."),
    ("What did you show me?", "I showed you {a}."),
    ("Which words go with it?", "Words for it are {words}."),
    ("Thank you.", "You are welcome."),
    ("That is nice.", "I am glad that you like it."),
];

/// After a picture, another thing is asked for.
pub(crate) const THEN_OTHER: &[Turn] = &[
    ("And {other}?", "Here {other is} {other}. [RET]"),
    ("What about {other}?", "Here {other is} {other}. [RET]"),
    ("Now {other}.", "Here {other is} {other}. [RET]"),
    ("Now show me {other}.", "Here {other is} {other}. [RET]"),
    ("Do you also have {other}?", "Yes, here {other is} {other}. [RET]"),
    ("And a picture of {other}, please.", "Here {other is} {other}. [RET]"),
];

/// After a picture, the same thing in another colour.
pub(crate) const THEN_COLOUR: &[Turn] = &[
    ("And a {colour} one?", "Here {other is} {other}. [RET]"),
    ("Now a {colour} one.", "Here {other is} {other}. [RET]"),
    ("Do you have a {colour} one?", "Yes, here {other is} {other}. [RET]"),
    ("Show me a {colour} one.", "Here {other is} {other}. [RET]"),
];

/// What is asked about a picture that was just shown.
pub(crate) const SEEN: &[Turn] = &[
    ("What is this?", "{This is} {a}."),
    ("What do you see?", "I see {a}."),
    ("What is in this picture?", "{This is} {a}."),
    ("What does the picture show?", "The picture shows {a}."),
    ("Describe this picture.", "{This is} {a}."),
    ("Name this.", "{This is} {a}."),
    ("Do you know what this is?", "Yes, {this is} {a}."),
    ("Can you tell me what this is?", "Yes, {this is} {a}."),
    ("What is this called?", "{This is} {a}."),
    ("What kind of thing is this?", "{This is} {kind}."),
    ("{Is this} {a}?", "Yes, {this is} {a}."),
    ("{Is this} {kind}?", "Yes, {this is} {a}."),
    ("{Is this other} {other}?", "No, {this is} {a}."),
    ("{Is this other} {other}?", "No, {this is} {a}."),
    ("{Is this} {a} or {other}?", "{This is} {a}."),
    ("Which words go with this?", "Words for it are {words}."),
];

/// What else is asked about a picture that was just shown, without wanting another.
pub(crate) const SEEN_WONDER: &[Turn] = &[
    ("What can I do with this?", "I do not know, but {this is} {a}."),
    ("What do people do with it?", "I do not know, but {this is} {a}."),
    ("What colour is this?", "I do not know, but {this is} {a}."),
    ("Where is this?", "I do not know, but {this is} {a}."),
    ("Who made this?", "I do not know, but {this is} {a}."),
    ("Who drew this picture?", "I do not know, but {this is} {a}."),
    ("Why does it look like that?", "I do not know, but {this is} {a}."),
    ("How big is this?", "I do not know, but {this is} {a}."),
    ("Is this expensive?", "I do not know, but {this is} {a}."),
    ("Do you like this picture?", "Yes, {this is} {a}."),
    ("Do you like it?", "Yes, {this is} {a}."),
    ("Look at this.", "I see {a}."),
    ("I drew this.", "I see {a}."),
    ("Here you are.", "I see {a}."),
    ("Read this to me.", "The picture shows {a}."),
    ("Tell me more about this picture.", "The picture shows {a}."),
    ("Put this into words.", "The picture shows {a}."),
    ("Say what you see.", "I see {a}."),
    ("Guess what this is.", "{This is} {a}."),
    ("Tell me the name of this.", "{This is} {a}."),
    ("What is this for?", "I do not know, but {this is} {a}."),
    ("What use is this?", "I do not know, but {this is} {a}."),
    ("Is it useful?", "I do not know, but {this is} {a}."),
    ("Would you buy this?", "I do not know, but {this is} {a}."),
    ("When would I need this?", "I do not know, but {this is} {a}."),
    ("How would one use it?", "I do not know, but {this is} {a}."),
    ("What should I do with it?", "I do not know, but {this is} {a}."),
    ("Is this good or bad?", "I do not know, but {this is} {a}."),
    ("How heavy is this?", "I do not know, but {this is} {a}."),
    ("Why is this here?", "I do not know, but {this is} {a}."),
    ("Where does this come from?", "I do not know, but {this is} {a}."),
    ("What would you call this?", "{This is} {a}."),
    ("What was painted here?", "{This is} {a}."),
    ("What does this show?", "{This is} {a}."),
    ("What is on the picture?", "{This is} {a}."),
    ("What is in here?", "{This is} {a}."),
    ("Tell me what you see.", "{This is} {a}."),
    ("Tell me about this.", "{This is} {a}."),
    ("Tell me which thing this is.", "{This is} {a}."),
    ("Explain this picture.", "{This is} {a}."),
    ("Say what is shown.", "{This is} {a}."),
    ("Does this have a name?", "{This is} {a}."),
    ("Describe what I sent you.", "{This is} {a}."),
    ("Which thing is painted here?", "{This is} {a}."),
];

/// More pictures like one that was just shown.
pub(crate) const SEEN_MORE: &[Turn] = &[
    ("Show me another picture like this.", "Here {is} {another}. [RET]"),
    ("Show me something like this.", "Here {is} {another}. [RET]"),
    ("Another one like this.", "Here {is} {another}. [RET]"),
    ("Another one like this?", "Here {is} {another}. [RET]"),
    ("Find a picture like this.", "Here {is} {another}. [RET]"),
    ("Do you have another one?", "Yes, here {is} {another}. [RET]"),
    ("Can you find more like this?", "Yes, here {is} {another}. [RET]"),
    ("Draw this in another way.", "Here {is} {another}. [RET]"),
];

/// Another thing of the kind of one that was just shown.
pub(crate) const SEEN_KIND: &[Turn] = &[
    ("Show me something of the same kind.", "Here {other is} {other}. [RET]"),
    ("Show me {other} instead.", "Here {other is} {other}. [RET]"),
    ("I would rather see {other}.", "Here {other is} {other}. [RET]"),
];

/// What is asked later about a picture that was named already.
pub(crate) const SEEN_THEN: &[Turn] = &[
    ("Show me another one.", "Here {is} {another}. [RET]"),
    ("Show me another picture like this.", "Here {is} {another}. [RET]"),
    ("And now {other}.", "Here {other is} {other}. [RET]"),
    ("What kind of thing is it?", "{It is} {kind}."),
    ("Are you sure?", "Yes, {this is} {a}."),
    ("Which words go with it?", "Words for it are {words}."),
    ("Say it again.", "{This is} {a}."),
    ("Thank you.", "You are welcome."),
];

/// After two pictures of different things.
pub(crate) const BOTH: &[Turn] = &[
    ("What was the first picture?", "The first picture was {a}."),
    ("What was the second picture?", "The second picture was {other}."),
    ("What did I show you?", "You showed me {a} and {other}."),
    ("Show me the first thing again.", "Here {is} {another}. [RET]"),
    ("Show me the second thing again.", "Here {other is} {other}. [RET]"),
];
