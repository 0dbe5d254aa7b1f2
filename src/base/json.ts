/** @returns the value, or undefined for text that is no JSON: a schema says next what the value must be */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
