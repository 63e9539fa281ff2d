/** From what callers give to the contract's messages. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";

import type { Exchange, Opening } from "./history.js";
import type { Compat, Condition, RetrieveOptions, ScoreOptions, TurnOptions, Value } from "./options.js";
import { type Fit, type Part, type ReadFile, read } from "./pictures.js";
import * as wire from "./wire/dialogue/v1/dialogue_pb.js";

const FIT: Record<Fit, wire.ImageFit> = { crop: wire.ImageFit.CROP, squash: wire.ImageFit.SQUASH };
const COMPAT: Record<Compat, wire.Compat> = { off: wire.Compat.OFF, reference: wire.Compat.REFERENCE };

function chosen<K extends string, V>(table: Record<K, V>, name: string, value: K | undefined): V | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (!Object.hasOwn(table, value)) {
    throw new TypeError(`${name} is one of ${Object.keys(table).join(", ")}, not ${String(value)}`);
  }
  return table[value];
}

/** One part, or many. */
export type Parts = Part | readonly Part[];

/** What was said, as a list. */
export function listed(said: Parts): readonly Part[] {
  return Array.isArray(said) ? (said as readonly Part[]) : [said as Part];
}

/** Texts and pictures. Rejects with a `TypeError` for what is neither, and as reading a picture does. */
export function parts(said: readonly Part[], readFile: ReadFile): Promise<wire.Part[]> {
  return Promise.all(said.map((part) => onePart(part, readFile)));
}

async function onePart(part: Part, readFile: ReadFile): Promise<wire.Part> {
  if (typeof part === "string") {
    return create(wire.PartSchema, { kind: { case: "text", value: part } });
  }
  const shown = typeof part === "object" && part !== null && "picture" in part ? part : { picture: part };
  const fit = chosen(FIT, "fit", "fit" in shown ? shown.fit : undefined);
  const value = create(wire.ImageSchema, { ...(await read(shown.picture, readFile)), fit });
  return create(wire.PartSchema, { kind: { case: "image", value } });
}

/** Options of a turn. */
export function options(given: TurnOptions): wire.TurnOptions {
  const { seed, stop, compat, conditions: tests, ...rest } = given;
  return create(wire.TurnOptionsSchema, {
    ...rest,
    seed: seed === undefined ? undefined : BigInt(seed),
    stop: [...(stop ?? [])],
    compat: chosen(COMPAT, "compat", compat),
    conditions: conditions(tests),
  });
}

function conditions(given: readonly Condition[] = []): wire.Condition[] {
  return given.map((each) => {
    const tests: MessageInitShape<typeof wire.ConditionSchema>["test"][] = [];
    if (each.equals !== undefined) {
      tests.push({ case: "equals", value: value(each.equals) });
    }
    if (each.anyOf !== undefined) {
      tests.push({ case: "anyOf", value: { values: each.anyOf.map(value) } });
    }
    if (each.range !== undefined) {
      tests.push({ case: "range", value: each.range });
    }
    if (tests.length !== 1) {
      throw new TypeError(`a condition on ${each.field} has one test: equals, anyOf or range`);
    }
    return create(wire.ConditionSchema, { field: each.field, negate: each.negate ?? false, test: tests[0]! });
  });
}

function value(given: Value): wire.Value {
  switch (typeof given) {
    case "boolean":
      return create(wire.ValueSchema, { value: { case: "truth", value: given } });
    case "number":
      return create(wire.ValueSchema, { value: { case: "number", value: given } });
    default:
      return create(wire.ValueSchema, { value: { case: "text", value: given } });
  }
}

/** Turns that were held before. */
export function history(given: readonly Exchange[], readFile: ReadFile): Promise<wire.Exchange[]> {
  return Promise.all(
    given.map(async (each) =>
      create(wire.ExchangeSchema, {
        parts: await parts(each.parts, readFile),
        reply: each.reply,
        imageIds: [...(each.imageIds ?? [])],
      }),
    ),
  );
}

/** What the user says in one turn. */
export async function turn(said: readonly Part[], given: TurnOptions, readFile: ReadFile): Promise<wire.Turn> {
  return create(wire.TurnSchema, { parts: await parts(said, readFile), options: options(given) });
}

/** One turn with its history. */
export async function reply(
  said: readonly Part[],
  before: readonly Exchange[],
  given: TurnOptions,
  readFile: ReadFile,
): Promise<wire.ReplyRequest> {
  return create(wire.ReplyRequestSchema, {
    turn: await turn(said, given, readFile),
    history: await history(before, readFile),
  });
}

/** Settings of a conversation. */
export async function open(opening: Opening, readFile: ReadFile): Promise<wire.OpenDialogue> {
  const { history: before, generation, ...defaults } = opening;
  // A generation of the first index is the conversation's, which keeps it from being collected meanwhile.
  const whole = defaults.index === undefined;
  return create(wire.OpenDialogueSchema, {
    defaults: options(whole || generation === undefined ? defaults : { ...defaults, generation }),
    generation: whole ? generation : undefined,
    history: await history(before ?? [], readFile),
  });
}

/** Asks for pictures for a prompt. */
export async function retrieve(
  said: readonly Part[],
  given: Omit<RetrieveOptions, "signal">,
  readFile: ReadFile,
): Promise<wire.RetrieveRequest> {
  const { compat, conditions: tests, excludedIds, ...rest } = given;
  return create(wire.RetrieveRequestSchema, {
    ...rest,
    parts: await parts(said, readFile),
    excludedIds: [...(excludedIds ?? [])],
    compat: chosen(COMPAT, "compat", compat),
    conditions: conditions(tests),
  });
}

/** Asks for the likelihood of continuations. */
export async function score(
  said: readonly Part[],
  given: Omit<ScoreOptions, "signal">,
  readFile: ReadFile,
): Promise<wire.ScoreRequest> {
  const { compat, candidates, ...rest } = given;
  return create(wire.ScoreRequestSchema, {
    ...rest,
    parts: await parts(said, readFile),
    candidates: [...(candidates ?? [])],
    compat: chosen(COMPAT, "compat", compat),
  });
}
