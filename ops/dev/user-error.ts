/** A reason not to go on, whose message says all that the person at the keyboard needs. */
export class UserError extends Error {
  override readonly name = "Refusal";
}
