/** Functions to try: definitions for the session, and something to answer with when one is called. */

const object = (properties, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});

/** What can be added with one click. */
export const EXAMPLES = [
  {
    definition: {
      type: "function",
      name: "get_weather",
      description: "Get the current weather of a city.",
      parameters: object({ city: { type: "string", description: "The name of the city" } }),
    },
    answer: ({ city = "" }) => {
      const seed = [...city.toLowerCase()].reduce((sum, letter) => (31 * sum + letter.codePointAt(0)) % 9973, 7);
      const sky = ["sunny", "cloudy", "light rain", "windy"][seed % 4];
      return { city, temperature_celsius: (seed % 31) - 3, conditions: sky };
    },
  },
  {
    definition: {
      type: "function",
      name: "get_time",
      description: "Get the current local time and date, in a time zone if one is given.",
      parameters: object({ time_zone: { type: "string", description: "IANA name, like Asia/Shanghai" } }, []),
    },
    answer: ({ time_zone }, now) => {
      const zone = isZone(time_zone) ? time_zone : undefined;
      const format = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short", timeZone: zone });
      return { time: format.format(now), time_zone: format.resolvedOptions().timeZone };
    },
  },
  {
    definition: {
      type: "function",
      name: "set_timer",
      description: "Set a timer that rings after some minutes.",
      parameters: object({ minutes: { type: "number", minimum: 0.1 } }),
    },
    answer: ({ minutes }) => ({ ok: true, rings_in_minutes: minutes }),
  },
];

function isZone(name) {
  try {
    return Boolean(name && new Intl.DateTimeFormat("en", { timeZone: name }));
  } catch {
    return false;
  }
}

/**
 * What to propose as the answer to a call: what the user wrote for this function, or what the example computes.
 * @param {{name: string, text: string}} call `text`: its arguments as JSON
 * @param {Record<string, string>} written by name of the function @param {Date} now @returns {string} JSON
 */
export function proposedAnswer(call, written, now) {
  if (written[call.name]?.trim()) return written[call.name];
  const example = EXAMPLES.find(({ definition }) => definition.name === call.name);
  if (!example) return '{"ok": true}';
  try {
    return JSON.stringify(example.answer(JSON.parse(call.text || "{}"), now));
  } catch {
    return '{"error": "The arguments could not be read."}';
  }
}
