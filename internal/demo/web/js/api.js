// Requests to the JSON API.
import { complain } from '/js/notices.js';

// An APIError is an answer that is not the one hoped for.
export class APIError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// request returns what the API answers, or throws an APIError. Status 0 stands
// for no answer at all.
export async function request(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { 'Content-Type': 'application/json' };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new APIError(0, 'The server cannot be reached. Nothing was changed.');
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  let message = sentence(answer.error ?? `the server answered with status ${response.status}`);
  if (response.status === 429) {
    const seconds = Number(response.headers.get('Retry-After')) || 1;
    message += ` Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
  }
  throw new APIError(response.status, message);
}

// attempt is request for handlers of events: what goes wrong is shown, and
// the result is then undefined.
export async function attempt(method, path, body) {
  try {
    return await request(method, path, body);
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    complain(error.message);
    return undefined;
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
