import { render } from "preact";
import { App } from "./app/app.tsx";
import { startRouter } from "./app/router.ts";
import { applyTheme } from "./app/theme.ts";

applyTheme();
startRouter();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
