// Everything a page does by itself. Each module looks for its own part of the page and does nothing without it.
import "./again.js";
import "./theme.js";
import "./dialog.js";
import "./palette.js";
import "./toast.js";
import "./sheet.js";
import "./copy.js";
import "./list.js";
import "./filters.js";
import "./job.js";
import "./mass.js";
import "./parts.js";
import "./settings.js";
import "./rows.js";
import "./people.js";
import "./quick.js";
import "./focus.js";
import "./keys.js";
import "./times.js";
import { listen } from "./live.js";

if (document.body.dataset.guild) listen();
