/** What every door does with a question: answers it, logs changes, and keeps a bug of ours off the wire. */
import { randomBytes } from "node:crypto";
import type { Logger } from "@circus-cluster/proto";
import type { AnswerResult, Answers, Question } from "./answers.ts";

/** Never throws: our bug is an answer with the number under which the log has it. */
export function askSafely(answers: Pick<Answers, "answer">, log: Logger, question: Question): AnswerResult {
  const { actor, verb } = question;
  try {
    const result = answers.answer(question);
    if (question.door === "ctl") log.info("change asked for", { actor, verb, ok: result.ok });
    return result;
  } catch (error) {
    const incident = randomBytes(4).toString("hex");
    log.error("a question failed", { verb, incident, err: error });
    return { ok: false, code: "internal", reason: `internal error ${incident} of the controller; see its log` };
  }
}
