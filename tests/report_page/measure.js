// What is wrong with the page as it is now: run in it, not part of it.
(() => {
    const wrong = [];
    const root = document.documentElement;
    const short = (text) => text.trim().replace(/\s+/g, ' ').slice(0, 60);
    const box = (one) => one.getBoundingClientRect();
    const seen = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true });

    // Colours, from `rgb(…)`, `rgba(…)` and `color(srgb …)`.
    const colour = (text) => {
        const parts = (text.match(/[\d.]+/g) || []).map(Number);
        const scale = text.startsWith('color(') ? 255 : 1;
        return { rgb: parts.slice(0, 3).map((part) => part * scale), alpha: parts.length > 3 ? parts[3] : 1 };
    };
    const over = (top, below) => below.map((part, at) => top.rgb[at] * top.alpha + part * (1 - top.alpha));
    const light = (rgb) => {
        const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
        const [high, low] = [light(a), light(b)].sort((one, other) => other - one);
        return (high + 0.05) / (low + 0.05);
    };
    // What is painted behind an element; behind text of a chart also the shapes that were drawn there before it.
    const behind = (element) => {
        const layers = [];
        const svg = element.ownerSVGElement;
        for (let one = element; one; one = one.parentElement) layers.push(colour(getComputedStyle(one).backgroundColor));
        let below = layers.reverse().reduce((paint, layer) => over(layer, paint), [255, 255, 255]);
        if (!svg) return below;
        const own = box(element);
        const middle = [own.x + own.width / 2, own.y + own.height / 2];
        for (const shape of svg.querySelectorAll('rect, path.head')) {
            if (!(shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
            const at = box(shape);
            if (at.left <= middle[0] && middle[0] <= at.right && at.top <= middle[1] && middle[1] <= at.bottom) {
                below = over(colour(getComputedStyle(shape).fill), below);
            }
        }
        return below;
    };

    const words = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
    let texts = 0;
    let lowest = 21;
    while (words.nextNode()) {
        const element = words.currentNode.parentElement;
        const text = short(words.currentNode.data);
        if (!text || !element.closest('body, svg') || element.closest('title, style') || !seen(element)) continue;
        texts += 1;
        const style = getComputedStyle(element);
        const drawn = element instanceof SVGElement;
        const below = behind(element);
        const ratio = contrast(over(colour(drawn ? style.fill : style.color), below), below);
        lowest = Math.min(lowest, ratio);
        if (ratio < 4.5) wrong.push(`contrast of ${ratio.toFixed(2)}: "${text}"`);

        const range = document.createRange();
        range.selectNodeContents(words.currentNode);
        const place = box(range);
        // What can be scrolled to sideways is allowed to lie outside.
        const frame = element.closest('.wide');
        const scrolls = frame && getComputedStyle(frame).overflowX === 'auto';
        if (!scrolls && !drawn && (place.right > root.clientWidth + 0.5 || place.left < -0.5)) {
            wrong.push(`"${text}" leaves the page: ${place.left.toFixed(0)} to ${place.right.toFixed(0)} of ${root.clientWidth}`);
        }
        const card = element.closest('.group, .card, .tile');
        if (card && !scrolls && (place.right > box(card).right || place.left < box(card).left)) wrong.push(`"${text}" leaves its box`);
        const size = drawn ? parseFloat(style.fontSize) * (element.ownerSVGElement.getScreenCTM()?.a ?? 1) : parseFloat(style.fontSize);
        if (size < SMALLEST) wrong.push(`letters of ${size.toFixed(1)} px: "${text}"`);
    }
    if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide, the window ${root.clientWidth}`);

    const svgs = [...document.querySelectorAll('svg')];
    for (const svg of svgs) {
        const name = svg.getAttribute('aria-label') || 'picture';
        const frame = box(svg);
        if (frame.width < 100 || frame.height < 20) wrong.push(`${name} is ${frame.width} by ${frame.height}`);
        const labels = [...svg.querySelectorAll('text')].filter((one) => one.textContent.trim());
        const boxes = labels.map(box);
        labels.forEach((label, at) => {
            const own = boxes[at];
            if (own.left < frame.left - 0.5 || own.right > frame.right + 0.5 || own.top < frame.top - 0.5 || own.bottom > frame.bottom + 0.5) {
                wrong.push(`${name}: "${short(label.textContent)}" leaves the picture`);
            }
            // Of letters that touch, a pixel is no matter; a box has room above and below them.
            for (let other = at + 1; other < labels.length; other += 1) {
                const across = Math.min(own.right, boxes[other].right) - Math.max(own.left, boxes[other].left);
                const down = Math.min(own.bottom, boxes[other].bottom) - Math.max(own.top, boxes[other].top);
                if (across > 1 && down > Math.min(own.height, boxes[other].height) * 0.3) {
                    wrong.push(`${name}: "${short(label.textContent)}" lies on "${short(labels[other].textContent)}"`);
                }
            }
            const plate = label.parentElement.querySelector(':scope > rect.box');
            if (plate && (own.left < box(plate).left || own.right > box(plate).right)) {
                wrong.push(`${name}: "${short(label.textContent)}" leaves its box`);
            }
        });
        for (const line of svg.querySelectorAll('polyline, rect, path')) {
            const own = box(line);
            if (own.right > frame.right + 1 || own.left < frame.left - 1 || own.bottom > frame.bottom + 1 || own.top < frame.top - 1) {
                wrong.push(`${name}: a ${line.tagName} leaves the picture`);
            }
            if (/NaN|undefined|Infinity/.test(line.outerHTML)) wrong.push(`${name}: ${line.outerHTML}`);
        }
    }
    for (const image of document.images) {
        if (!image.complete || image.naturalWidth === 0 || box(image).height < 40) wrong.push(`image "${image.alt}" is not there`);
        // Letters of 12 px at most get a quarter smaller.
        else if (!matchMedia('print').matches && box(image).width < image.naturalWidth * 0.75) wrong.push(`image "${image.alt}" is small`);
    }
    // Printers leave backgrounds out, and what is nothing but one with them.
    for (const plain of document.querySelectorAll('body *')) {
        const style = getComputedStyle(plain);
        const shown = colour(style.backgroundColor).alpha > 0 && box(plain).width > 0 && !plain.textContent.trim();
        if (matchMedia('print').matches && shown && style.printColorAdjust !== 'exact') wrong.push(`a ${plain.className} is not printed`);
    }
    const paper = document.body && svgs[0] !== root ? light(behind(document.body)) : 1;
    return {
        wrong: [...new Set(wrong)],
        texts,
        lowest,
        paper,
        headings: [...document.querySelectorAll('h1, h2')].filter((one) => seen(one) && box(one).height > 0).map((one) => one.textContent),
        charts: [...document.querySelectorAll('.card svg')].filter((one) => seen(one) && box(one).height > 100).length,
        height: root.scrollHeight,
    };
})()
