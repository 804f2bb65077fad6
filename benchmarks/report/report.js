"use strict";

/* Tables that sort. Numbers sort as numbers, rows without one stay last; a column begins with its better end. */
(() => {
  const valueOf = (row, column, numeric) => {
    const cell = row.cells[column];
    if (!numeric) return cell.textContent;
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const order = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
  };
  const sort = (table, head, column) => {
    const before = head.getAttribute("aria-sort");
    const first = head.textContent.includes("↑") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = before === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const numeric = head.classList.contains("number");
    for (const body of table.tBodies) {
      if (body.className === "heading") continue;
      const keyed = [...body.rows].map((row) => [valueOf(row, column, numeric), row]);
      body.append(...keyed.sort((a, b) => order(a[0], b[0], sign)).map(([, row]) => row));
    }
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent || "name";
      button.title = head.title;
      button.addEventListener("click", () => sort(table, head, column));
      head.replaceChildren(button);
    });
  }
})();

/* Shapes: one canvas behind all views, each drawn into its own part of it; only one case is unpacked. */
(() => {
  const element = (id) => document.getElementById(id);
  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const json = (id) => JSON.parse(element(id).textContent);
  const ready = (state) => { document.documentElement.dataset.gallery = state; };

  const head = json("gallery");
  const views = element("views"), canvas = element("canvas"), status = element("status");
  if (!head.cases.length) {
    status.textContent = "There are no cases to show.";
    for (const id of ["filters", "scale"]) element(id).hidden = true;
    return ready("empty");
  }
  const ramp = head.ramp.map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255));
  const start = { azimuth: 35, elevation: 20 }, FOV = 25, DISTANCE = 3.5;
  const eye = { ...start, distance: DISTANCE };

  let renderer = null;
  try {
    renderer = new THREE.WebGLRenderer({ canvas, alpha: true, antialias: true });
    renderer.outputColorSpace = "srgb-linear"; // colours are shown as they stand in the scale
    renderer.setClearColor(0x000000, 0);
    renderer.setScissorTest(true);
  } catch (error) {
    status.textContent = `This browser shows no WebGL (${error.message}); gallery.png has some of the shapes.`;
  }
  const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(FOV, 1, 0.1, 20);
  const lamp = new THREE.DirectionalLight(0xffffff, 1.9);
  lamp.position.set(-0.6, 1, 1);
  camera.add(lamp);
  scene.add(camera, new THREE.HemisphereLight(0xffffff, 0x8a8f9a, 1.7));
  let panels = [], turn = 0, drawing = 0, sized = "";

  /* Unpacking: see Surface.packed. */
  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  async function unpack(packed) {
    const bytes = await inflate(packed.data);
    let at = 0;
    const list = (n) => {
      const out = new Uint16Array(n);
      for (let i = 0, sum = 0; i < n; i++) {
        sum = (sum + bytes[at + i] + 256 * bytes[at + n + i]) & 65535;
        out[i] = sum;
      }
      at += 2 * n;
      return out;
    };
    const n = packed.vertices, axes = [list(n), list(n), list(n)];
    const corners = [0, 1, 2].map(() => list(packed.faces));
    const position = new Float32Array(3 * n), index = new Uint16Array(3 * packed.faces);
    for (let k = 0; k < 3; k++) {
      for (let i = 0; i < n; i++) position[3 * i + k] = (axes[k][i] / 65535 - 0.5) * head.span;
      for (let i = 0; i < packed.faces; i++) index[3 * i + k] = corners[k][i];
    }
    return { position, index, shades: packed.shaded ? bytes.subarray(at, at + n) : null };
  }
  function colored(shades) {
    const out = new Float32Array(3 * shades.length);
    shades.forEach((shade, i) => {
      const place = (shade / 255) * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
      for (let k = 0; k < 3; k++) out[3 * i + k] = ramp[low][k] + (place - low) * (ramp[low + 1][k] - ramp[low][k]);
    });
    return out;
  }
  async function build(packed) {
    const { position, index, shades } = await unpack(packed);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(position, 3));
    if (shades) geometry.setAttribute("color", new THREE.BufferAttribute(colored(shades), 3));
    const points = packed.kind === "points";
    const material = (vertexColors) => points
      ? new THREE.PointsMaterial({ sizeAttenuation: false, vertexColors, color: vertexColors ? 0xffffff : 0x9aa3b2 })
      : new THREE.MeshLambertMaterial({ side: THREE.DoubleSide, vertexColors, color: vertexColors ? 0xffffff : 0xc9ccd3 });
    const materials = { plain: material(false), shaded: shades ? material(true) : null };
    if (!points) {
      geometry.setIndex(new THREE.BufferAttribute(index, 1));
      geometry.computeVertexNormals();
    }
    const object = points ? new THREE.Points(geometry, materials.plain) : new THREE.Mesh(geometry, materials.plain);
    object.frustumCulled = false;
    return { object, materials };
  }

  /* Drawing */
  function draw() {
    drawing = 0;
    if (!renderer) return;
    const frame = element("stage").getBoundingClientRect();
    const ratio = Math.min(window.devicePixelRatio || 1, 2, 4096 / Math.max(frame.width, frame.height, 1));
    const size = [frame.width, frame.height, ratio].join();
    if (size !== sized) {
      sized = size;
      renderer.setPixelRatio(ratio);
      renderer.setSize(frame.width, frame.height, false);
    }
    renderer.setScissor(0, 0, frame.width, frame.height);
    renderer.clear();
    const [a, e] = [eye.azimuth, eye.elevation].map((degrees) => (degrees * Math.PI) / 180);
    camera.position.set(Math.cos(e) * Math.cos(a), Math.sin(e), -Math.cos(e) * Math.sin(a)).multiplyScalar(eye.distance);
    camera.lookAt(0, 0, 0);
    const shaded = element("shaded").checked;
    for (const panel of panels) if (panel.object) panel.object.visible = false;
    for (const { view, object, materials } of panels) {
      if (!object) continue;
      const box = view.getBoundingClientRect();
      const part = [box.left - frame.left, frame.bottom - box.bottom, box.width, box.height];
      object.material = (shaded && materials.shaded) || materials.plain;
      if (object.isPoints) object.material.size = Math.max(1.5, box.width / 90);
      object.visible = true;
      renderer.setViewport(...part);
      renderer.setScissor(...part);
      renderer.render(scene, camera);
      object.visible = false;
    }
  }
  const redraw = () => { drawing ||= requestAnimationFrame(draw); };

  /* One case */
  function panel(name, packed, scores, maps) {
    const figure = make("figure", "panel"), view = make("div", "view"), caption = make("figcaption");
    figure.append(make("div", "name", name), view, caption);
    caption.textContent = (scores || []).map(([label, value]) => `${label} ${value}`).join(", ");
    if (maps && maps.length) {
      const strip = make("div", "maps");
      for (const source of maps) strip.append(Object.assign(make("img"), { src: source, alt: "" }));
      figure.append(strip);
    }
    if (!packed || packed.kind === "empty") {
      view.textContent = packed ? "empty" : "no prediction";
    } else if (renderer) {
      view.classList.add("turns");
      view.tabIndex = 0;
      view.setAttribute("role", "img");
      view.setAttribute("aria-label", `${name} in three dimensions; arrow keys turn it`);
    }
    views.append(figure);
    return { view, packed, object: null };
  }
  function clear() {
    for (const { object, materials } of panels) {
      if (!object) continue;
      scene.remove(object);
      object.geometry.dispose();
      for (const material of Object.values(materials)) if (material) material.dispose();
    }
    panels = [];
    views.replaceChildren();
  }
  async function show(k) {
    const mine = ++turn, about = head.cases[k], data = json(`case-${k}`);
    clear();
    [start.azimuth, start.elevation] = data.camera;
    Object.assign(eye, start, { distance: DISTANCE });
    if (data.image) {
      const input = panel("input", null);
      input.view.replaceChildren(Object.assign(make("img"), { src: data.image, alt: `input picture of ${about.id}` }));
    }
    panels.push(panel("ground truth", data.truth));
    for (const [name, heading] of head.models) {
      const found = data.models[name];
      panels.push(found ? panel(heading, found.surface, found.scores, found.maps) : panel(heading, null));
    }
    status.textContent = `${about.id}: ${about.tags.map(tagged).join(", ")}.`;
    if (renderer) {
      await Promise.all(panels.map(async (each) => {
        if (!each.packed || each.packed.kind === "empty") return;
        const built = await build(each.packed);
        if (mine !== turn) return built.object.geometry.dispose();
        Object.assign(each, built);
        scene.add(built.object);
      }));
    }
    if (mine !== turn) return;
    draw();
    ready("ready");
    performance.mark("gallery");
  }

  /* Filters */
  const tagged = ([scope, group]) => `${group} of ${scope || "all instances"}`;
  const option = (select, value, text) => select.append(Object.assign(make("option"), { value, textContent: text }));
  const category = element("category"), group = element("group"), instance = element("instance");
  option(category, "any", "every category");
  option(category, "", "chosen of all instances");
  for (const name of new Set(head.cases.map((c) => c.category))) option(category, name, name);
  option(group, "any", "best, median, worst");
  for (const name of ["best", "median", "worst"]) option(group, name, name);
  const fits = ([scope, name]) => (category.value === "any" || category.value === scope)
    && (group.value === "any" || group.value === name);
  function filter(wanted) {
    const before = wanted === undefined ? instance.value : wanted;
    instance.replaceChildren();
    head.cases.forEach((c, k) => {
      const tags = c.tags.filter(fits);
      if (tags.length) option(instance, String(k), `${c.id} (${tags.map(tagged).join(", ")})`);
    });
    if ([...instance.options].some((o) => o.value === before)) instance.value = before;
    choose();
  }
  function choose() {
    const none = instance.options.length === 0;
    for (const id of ["previous", "next", "instance"]) element(id).disabled = none;
    if (!none) return void show(Number(instance.value));
    turn++;
    clear();
    draw();
    status.textContent = "No instance fits these filters.";
  }
  function step(by) {
    const n = instance.options.length;
    instance.selectedIndex = (instance.selectedIndex + by + n) % n;
    choose();
  }
  category.addEventListener("change", () => filter());
  group.addEventListener("change", () => filter());
  instance.addEventListener("change", choose);
  for (const thumbnail of document.querySelectorAll("[data-case]")) {
    thumbnail.tabIndex = 0;
    thumbnail.setAttribute("role", "button");
    const open = () => {
      category.value = group.value = "any";
      filter(thumbnail.dataset.case);
      element("shapes").scrollIntoView();
    };
    thumbnail.addEventListener("click", open);
    thumbnail.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  }
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  element("shaded").addEventListener("change", redraw);
  element("reset").addEventListener("click", () => { Object.assign(eye, start, { distance: DISTANCE }); redraw(); });
  element("filters").addEventListener("submit", (event) => event.preventDefault());

  /* Turning */
  function turnBy(across, down) {
    eye.azimuth = (eye.azimuth - across) % 360;
    eye.elevation = Math.max(-89, Math.min(89, eye.elevation + down));
    redraw();
  }
  function approach(factor) {
    eye.distance = Math.max(1.2, Math.min(8, eye.distance * factor));
    redraw();
  }
  views.addEventListener("pointerdown", (event) => {
    const view = event.target.closest(".view.turns");
    if (!view) return;
    view.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const move = (e) => { turnBy(0.6 * (e.clientX - x), 0.6 * (e.clientY - y)); [x, y] = [e.clientX, e.clientY]; };
    const stop = () => {
      view.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) view.removeEventListener(name, stop);
    };
    view.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, stop);
  });
  const KEYS = {
    ArrowLeft: () => turnBy(-10, 0), ArrowRight: () => turnBy(10, 0),
    ArrowUp: () => turnBy(0, -10), ArrowDown: () => turnBy(0, 10),
    "+": () => approach(1 / 1.15), "=": () => approach(1 / 1.15), "-": () => approach(1.15),
  };
  views.addEventListener("keydown", (event) => {
    const act = event.target.closest(".view.turns") && !event.ctrlKey && !event.metaKey && KEYS[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });

  element("ramp").style.background = `linear-gradient(to right, ${head.ramp.join(", ")})`;
  element("far").textContent = `${100 * head.far} % of the longest edge or more`;
  new ResizeObserver(redraw).observe(element("stage"));
  filter();
})();
