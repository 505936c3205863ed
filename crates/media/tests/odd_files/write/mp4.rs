//! MP4 (ISO/IEC 14496-12), and Opus in it.

fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes(), &kind, body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The atoms of the top level: their names, and where they are.
pub(crate) fn atoms(file: &[u8]) -> Vec<([u8; 4], std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(head) = file.get(at..at + 8) {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        found.push(([head[4], head[5], head[6], head[7]], at..at + size));
        at += size;
    }
    found
}

/// Two seconds of Opus, `moov` before or behind the samples; the music is `length` samples from
/// the pre-skip on.
pub(crate) fn opus(packets: &[Vec<u8>], pre_skip: u16, length: u32, moov_last: bool) -> Vec<u8> {
    let ftyp = atom(*b"ftyp", b"isom\0\0\x02\0isom");
    let moov_len = moov(packets, pre_skip, length, 0).len();
    let mdat = atom(*b"mdat", &packets.concat());
    if moov_last {
        let offset = ftyp.len() + 8;
        return [ftyp, mdat, moov(packets, pre_skip, length, offset)].concat();
    }
    let offset = ftyp.len() + moov_len + 8;
    [ftyp, moov(packets, pre_skip, length, offset), mdat].concat()
}

fn moov(packets: &[Vec<u8>], pre_skip: u16, length: u32, offset: usize) -> Vec<u8> {
    let count = packets.len() as u32;
    let whole = 960 * count;
    let mut dops = vec![0, 2];
    dops.extend(pre_skip.to_be_bytes());
    dops.extend(48_000_u32.to_be_bytes());
    dops.extend([0; 3]);
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 0];
    entry.extend(words(&[48_000 << 16]));
    entry.extend(atom(*b"dOps", &dops));
    let sizes: Vec<u32> = packets.iter().map(|packet| packet.len() as u32).collect();
    let stbl = atom(
        *b"stbl",
        &[
            atom(*b"stsd", &[words(&[0, 1]), atom(*b"Opus", &entry)].concat()),
            atom(*b"stts", &words(&[0, 1, count, 960])),
            atom(*b"stsc", &words(&[0, 1, 1, count, 1])),
            atom(*b"stsz", &[words(&[0, 0, count]), words(&sizes)].concat()),
            atom(*b"stco", &words(&[0, 1, offset as u32])),
        ]
        .concat(),
    );
    let dinf =
        atom(*b"dinf", &atom(*b"dref", &[words(&[0, 1]), atom(*b"url ", &words(&[1]))].concat()));
    let minf = atom(*b"minf", &[atom(*b"smhd", &words(&[0, 0])), dinf, stbl].concat());
    let hdlr = atom(*b"hdlr", &[words(&[0, 0]), b"soun".to_vec(), vec![0; 13]].concat());
    let mdhd = atom(*b"mdhd", &words(&[0, 0, 0, 48_000, whole, 0x55c4_0000]));
    let mdia = atom(*b"mdia", &[mdhd, hdlr, minf].concat());
    let elst = atom(*b"elst", &words(&[0, 1, length, u32::from(pre_skip), 1 << 16]));
    let tkhd = [words(&[7, 0, 0, 1, 0, length, 0, 0, 0, 0x0100_0000]), matrix(), words(&[0, 0])];
    let trak =
        atom(*b"trak", &[atom(*b"tkhd", &tkhd.concat()), atom(*b"edts", &elst), mdia].concat());
    let mvhd = [
        words(&[0, 0, 0, 48_000, length, 1 << 16, 0x0100_0000, 0, 0]),
        matrix(),
        words(&[0; 6]),
        words(&[2]),
    ];
    atom(*b"moov", &[atom(*b"mvhd", &mvhd.concat()), trak].concat())
}

fn matrix() -> Vec<u8> {
    words(&[1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30])
}

/// The same file with `moov` at its end.
pub(crate) fn with_moov_last(file: &[u8]) -> Vec<u8> {
    let atoms = atoms(file);
    let range = |name: &[u8; 4]| {
        atoms.iter().find(|(kind, _)| kind == name).expect("the atom is there").1.clone()
    };
    let mut moov = file[range(b"moov")].to_vec();
    assert!(range(b"moov").start < range(b"mdat").start, "it is last already");
    let stco = moov.windows(4).position(|four| four == b"stco").expect("an index") + 4;
    let count = u32::from_be_bytes(moov[stco + 4..stco + 8].try_into().expect("four bytes"));
    let moved = moov.len() as u32;
    for offset in moov[stco + 8..].chunks_exact_mut(4).take(count as usize) {
        let old = u32::from_be_bytes(offset.try_into().expect("four bytes"));
        offset.copy_from_slice(&(old - moved).to_be_bytes());
    }
    let rest = [&file[..range(b"moov").start], &file[range(b"moov").end..]].concat();
    [rest, moov].concat()
}

/// The samples of a file with one track, each as a frame of ADTS: AAC-LC, stereo, 44.1 kHz.
pub(crate) fn as_adts(file: &[u8]) -> Vec<u8> {
    let stsz = file.windows(4).position(|four| four == b"stsz").expect("an index") + 4;
    let word = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes"));
    let mdat = atoms(file).into_iter().find(|(kind, _)| kind == b"mdat").expect("samples").1;
    let mut at = mdat.start + 8;
    let mut adts = Vec::new();
    for n in 0..word(stsz + 8) as usize {
        let len = word(stsz + 12 + 4 * n) as usize;
        let whole = len as u32 + 7;
        adts.extend([0xff, 0xf1, 0x50, 0x80 | (whole >> 11) as u8, (whole >> 3) as u8]);
        adts.extend([(whole << 5) as u8 | 0x1f, 0xfc]);
        adts.extend(&file[at..at + len]);
        at += len;
    }
    adts
}

/// The same file, whose `moov` is last, with a cover of so many bytes.
pub(crate) fn with_cover(file: &[u8], len: usize) -> Vec<u8> {
    let moov = atoms(file).pop().expect("an atom").1;
    let data = atom(*b"data", &[words(&[13, 0]), vec![0xd8; len]].concat());
    let hdlr = atom(*b"hdlr", &[words(&[0, 0]), b"mdirappl".to_vec(), vec![0; 9]].concat());
    let ilst = atom(*b"ilst", &atom(*b"covr", &data));
    let udta = atom(*b"udta", &atom(*b"meta", &[words(&[0]), hdlr, ilst].concat()));
    let grown = atom(*b"moov", &[&file[moov.start + 8..], &udta].concat());
    [&file[..moov.start], &grown].concat()
}
